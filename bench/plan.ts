/** How long and how much: the full run, and the quick one that shows whether all works. */

export interface Plan {
  rounds: number;
  streams: number;
  /** Of a saturated answer. */
  saturatedTokens: number;
  /** Of a paced stream: 50 tokens a second. */
  tokenEveryMs: number;
  /** How long each subject answers before anything is measured. */
  seasonMs: number;
  warmUpMs: number;
  windowMs: number;
  askMs: number;
  /** Pause before memory is read. */
  settleMs: number;
  idleSockets: number;
  /** How long idle sockets are watched. */
  idleMs: number;
  starts: number;
  /** Sessions of the stores that are compared, least first: see seed.ts for what is in them. */
  storedSessions: readonly number[];
  /** Of each kind. */
  requests: number;
  /** With OpenClaw: how often a short question is asked, and how long one answer is. */
  compared: { questions: number; tokens: number };
}

export const FULL: Plan = {
  rounds: 5,
  streams: 200,
  saturatedTokens: 1_600,
  tokenEveryMs: 20,
  seasonMs: 30_000,
  warmUpMs: 300,
  windowMs: 3_000,
  askMs: 1_500,
  settleMs: 600,
  idleSockets: 10_000,
  idleMs: 9_000,
  starts: 7,
  storedSessions: [1_000, 10_000, 100_000],
  requests: 600,
  compared: { questions: 9, tokens: 500 },
};

/** For profiles: long enough that the start of the process does not matter. */
export const PROFILED: Plan = {
  ...FULL,
  seasonMs: 0,
  windowMs: 8_000,
  askMs: 8_000,
  saturatedTokens: 5_000,
};

export const QUICK: Plan = {
  ...FULL,
  seasonMs: 0,
  saturatedTokens: 300,
  rounds: 1,
  warmUpMs: 250,
  windowMs: 500,
  askMs: 250,
  settleMs: 300,
  idleSockets: 3_000,
  idleMs: 1_500,
  starts: 1,
  storedSessions: [1_000, 2_000],
  requests: 200,
  compared: { questions: 2, tokens: 50 },
};

/** For the regression guard: enough processor time for a ratio, and no more. */
export const GUARDED: Plan = {
  ...FULL,
  seasonMs: 0,
  rounds: 3,
  streams: 100,
  saturatedTokens: 800,
  warmUpMs: 200,
  windowMs: 800,
  askMs: 0,
};

/** For two gateways that are much alike: many short rounds, so that what the machine does meanwhile touches both. */
export const COMPARED: Plan = {
  ...FULL,
  rounds: 15,
  warmUpMs: 300,
  windowMs: 1_500,
  askMs: 700,
};

/** For sweeps: many points, each of a moment. */
export const SWEPT: Plan = { ...FULL, seasonMs: 2_000, rounds: 2, windowMs: 800, askMs: 0 };
