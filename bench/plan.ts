/** How long and how much: the full run, and the quick one that shows whether all works. */

export interface Plan {
  rounds: number;
  streams: number;
  /** Of a saturated answer. */
  saturatedTokens: number;
  /** Of a paced stream: 50 tokens a second. */
  tokenEveryMs: number;
  warmUpMs: number;
  windowMs: number;
  askMs: number;
  /** Pause before memory is read. */
  settleMs: number;
  idleSockets: number;
  /** How long idle sockets are watched. */
  idleMs: number;
  starts: number;
  /** Sessions in the store that is small, and in the one that is not; each has 100 messages. */
  storedSessions: readonly [few: number, many: number];
  requests: number;
}

export const FULL: Plan = {
  rounds: 3,
  streams: 200,
  saturatedTokens: 800,
  tokenEveryMs: 20,
  warmUpMs: 300,
  windowMs: 1_000,
  askMs: 600,
  settleMs: 600,
  idleSockets: 5_000,
  idleMs: 2_000,
  starts: 5,
  storedSessions: [100, 1_000],
  requests: 500,
};

/** For profiles: long enough that the start of the process does not matter. */
export const PROFILED: Plan = { ...FULL, windowMs: 8_000, saturatedTokens: 5_000 };

export const QUICK: Plan = {
  ...FULL,
  saturatedTokens: 300,
  rounds: 1,
  warmUpMs: 250,
  windowMs: 500,
  askMs: 250,
  settleMs: 300,
  idleSockets: 3_000,
  idleMs: 1_000,
  starts: 1,
  storedSessions: [100, 120],
  requests: 200,
};
