/**
 * The registry of runs: one active run per session, a queue behind it, idempotent sends, aborts,
 * checkpoints, and what is left over from before a restart.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { createTurnBudget } from '../providers/turn-budget.ts';
import { createCheckpoints } from './checkpoints.ts';
import type { Catalog, ConfiguredModel } from './definition.ts';
import { createExclusion } from './exclusion.ts';
import { createLanes, type Lane, type SendResult } from './lanes.ts';
import type { ModelCaller } from './model-call.ts';
import { createPlaces } from './places.ts';
import type { Principal } from './principal.ts';
import {
  type AbortReason,
  createLiveRun,
  endRun,
  executeRun,
  type LiveRun,
  type RunDeps,
  type RunEnd,
  type RunFailure,
  type RunListener,
} from './run.ts';
import type { NewTurn, QueuedRun, SessionBrief, SessionStore } from './sessions/store.ts';

export interface RunsOptions {
  store: SessionStore;
  /** Read at the start of each run, so that an edit of the configuration reaches queued ones. */
  catalog: () => Catalog;
  callModel: ModelCaller;
  listener: RunListener;
  now: () => number;
  /** How much streamed text a crash may cost, in milliseconds of streaming. */
  checkpointMs: () => number;
  maxQueuedPerSession: () => number;
  /** Runs under way at once, over all users; 0 is no limit. The rest wait, and users take turns. */
  maxConcurrent: () => number;
  /** The same of one user. */
  maxPerUser: () => number;
  /** Characters at which an answer is cut off. */
  maxAnswerChars: () => number;
  /** Where several processes serve: whether this one may run the principal's sessions. It may from then on. */
  claim?: (principal: Principal) => boolean;
  /** A checkpoint is durable; `chars` counts UTF-16 units. */
  onCheckpoint?: (run: LiveRun, chars: number) => void;
  /** Where errors go that should not happen: a storage that refuses, a bug. */
  onBug: (error: unknown, context: { run?: LiveRun; during: string }) => void;
}

export interface Runs {
  /**
   * Resolves when the turn is durable; the run starts by itself when the session is free. `interrupt` ends what the
   * session had before, unless the turn is known already.
   */
  send(
    principal: Principal,
    key: string,
    turn: NewTurn,
    how?: { interrupt: boolean },
  ): Promise<SendResult>;
  /**
   * Ends one run, or all that the session had when this was called, sends included that are not stored yet. Resolves
   * with the ids of those that it ended, once they have ended.
   */
  abort(principal: Principal, key: string, runId?: string): Promise<string[]>;
  /**
   * Ends all runs of the session, then does `work`. In the order of the calls: sends that came before are ended too,
   * and those that come after it wait, so that they find the session as `work` left it. What `check` throws when its turn
   * has come is thrown, and nothing is ended or done.
   */
  clear<T>(
    principal: Principal,
    key: string,
    work: () => Promise<T>,
    check?: () => void,
  ): Promise<T>;
  /** The same for all sessions of a user, in all instances. */
  clearUser<T>(userId: string, work: () => Promise<T>): Promise<T>;
  /** Resolves when whoever was called before to empty the session has done it: for what is to stay. */
  cleared(principal: Principal, key: string): Promise<void>;
  active(principal: Principal, key: string): LiveRun | undefined;
  /** Active first, then queued. */
  of(principal: Principal, key: string): readonly LiveRun[];
  find(principal: Principal, runId: string): LiveRun | undefined;
  /** Whether anything of the principal's is under way, or waits. */
  has(principal: Principal): boolean;
  /** Takes up what was accepted and not started before a restart. */
  resume(queued: readonly QueuedRun[]): void;
  /** Runs under way in this process. */
  count(): number;
  /**
   * No new runs; waits for those under way at most `graceMs`, then interrupts them. Queued ones stay queued. Resolves
   * within five seconds after that, also if the disk takes nothing: what it did not take was not acknowledged.
   */
  drain(graceMs: number): Promise<void>;
}

export function createRuns(options: RunsOptions): Runs {
  const { store } = options;
  const lanes = createLanes();
  const running = new Set<LiveRun>();
  const places = createPlaces(options);
  const checkpoints = createCheckpoints(options);
  /** Sends on their way into the store, over all lanes. */
  const accepting = new Set<Promise<SendResult>>();
  const exclusion = createExclusion(lanes, pump);
  const starts = createTurnBudget({
    budgetMs: STARTING_MS,
    now: () => performance.now(),
    cost: 'late',
  });
  let draining = false;
  let stopped = false;
  const stopping = Promise.withResolvers<void>();

  const deps: RunDeps = {
    store,
    callModel: options.callModel,
    listener: {
      ...options.listener,
      delta(run, text) {
        checkpoints.touch(run);
        options.listener.delta(run, text);
      },
    },
    now: options.now,
    storeRecovered,
    maxAnswerChars: options.maxAnswerChars,
    onBug: (error, run) => options.onBug(error, { run, during: 'run' }),
  };

  function pump(lane: Lane): void {
    if (lane.active) return;
    if (stopped) return endStarted(lane);
    // What is stored as started would not be taken up by the next process: it still runs in this one.
    if (draining && lane.queue[0]?.record.state !== 'running') return;
    if (lane.queue.length === 0) return lanes.release(lane);
    if (places.take(lane)) begin(lane);
  }

  /** Starts the next run of a session that has a place. */
  function begin(lane: Lane): void {
    const run = lane.queue.shift();
    if (!run) {
      // It was aborted while its session waited.
      places.give(lane);
      return lanes.release(lane);
    }
    lane.active = run;
    running.add(run);
    void execute(run).finally(() => {
      running.delete(run);
      checkpoints.forget(run);
      lane.active = undefined;
      places.give(lane);
      pumpWaiting();
      pump(lane);
    });
  }

  /** Stored as started when it was too late to start it: whoever sent it was told that it runs. */
  function endStarted(lane: Lane): void {
    const [run] = lane.queue;
    if (run?.record.state !== 'running') return;
    lane.queue.shift();
    running.add(run);
    const end: RunEnd = { state: 'aborted', stopReason: 'shutdown' };
    void endRun(run, end, deps).finally(() => running.delete(run));
  }

  /** Another process may have taken the principal over since its last socket here was closed. */
  const refuses = (principal: Principal): boolean =>
    draining || !(options.claim?.(principal) ?? true);

  async function accept(lane: Lane, turn: NewTurn): Promise<SendResult> {
    const { principal } = lane;
    if (refuses(principal)) return DRAINING;
    const isIdle = !lane.active && lane.queue.length + lane.storing === 0;
    const start = isIdle && places.promise(principal.userId);
    lane.storing += 1;
    try {
      const accepted = await store.acceptTurn(principal, lane.key, { ...turn, start });
      if (accepted.outcome === 'accepted') {
        lane.queue.push(createLiveRun(principal, accepted.run));
      }
      return accepted;
    } finally {
      lane.storing -= 1;
      if (start) places.kept(principal.userId);
      pump(lane);
      // What was promised and not taken is for those who waited meanwhile.
      if (start) pumpWaiting();
    }
  }

  function isFull(lane: Lane, interrupt: boolean): boolean {
    const isEmptied = interrupt || lane.exclusive !== undefined;
    const count = lane.accepting.size + (isEmptied ? 0 : lane.queue.length);
    // Without an active run, the first of those ahead is about to be it.
    const waiting = lane.active && !isEmptied ? count : count - 1;
    return waiting >= options.maxQueuedPerSession();
  }

  async function interruptAndAccept(lane: Lane, turn: NewTurn): Promise<SendResult> {
    // The same once more must not end itself.
    if (!store.run(lane.principal, lane.key, turn.runId)) await endAll(lane);
    return accept(lane, turn);
  }

  function place(lane: Lane, turn: NewTurn, interrupt: boolean): Promise<SendResult> {
    if (interrupt) return exclusion.session(lane, () => interruptAndAccept(lane, turn));
    const before = exclusion.ahead(lane);
    return before ? before.then(() => accept(lane, turn)) : accept(lane, turn);
  }

  async function storeRecovered(): Promise<boolean> {
    const recovery = store.recovery();
    if (!recovery || stopped) return false;
    return Promise.race([recovery.then(() => true), stopping.promise.then(() => false)]);
  }

  /** Resolves when no send is being stored and no run is under way. */
  async function settled(): Promise<void> {
    while (accepting.size > 0 || running.size > 0) {
      await Promise.allSettled([...accepting, ...[...running].map((run) => run.ended)]);
      // Whoever else waits for the same has its turn: a send that was stored starts its run.
      await nextTurn();
    }
  }

  /** Whose turn it is goes first; a session that just ended a run queues up behind. */
  function pumpWaiting(): void {
    if (stopped) return;
    for (let lane = places.next(); lane; lane = places.next()) {
      const mayStart = !draining || lane.queue[0]?.record.state === 'running';
      if (mayStart && !lane.active) begin(lane);
      else places.give(lane);
    }
  }

  async function execute(run: LiveRun): Promise<void> {
    // The acknowledgement of the send leaves first, by promises that are kept now; then the work begins.
    await new Promise<void>((resolve) => process.nextTick(() => starts.run(resolve)));
    if (run.record.state === 'queued' && !(await markStarted(run))) return;
    const agent = options.catalog().agents.get(run.record.agentId);
    if (!agent) return refuse(run, `The agent "${run.record.agentId}" is not configured any more.`);
    const session = await briefOf(run);
    if (!session) return refuse(run, 'The storage cannot be read now.');
    const models = chainFor(run, agent.models, session.model);
    if (models.length === 0) return refuse(run, noModelMessage(run.record.agentId));
    await executeRun(run, agent, { models, sessionBytes: session.bytes }, deps);
  }

  /** Marks a queued run as started; if that cannot be, ends it for those who wait. */
  async function markStarted(run: LiveRun): Promise<boolean> {
    const { sessionKey, runId } = run.record;
    for (;;) {
      try {
        if (await store.startRun(run.principal, sessionKey, runId)) return true;
        // Its session was reset or deleted while it waited.
        tell(run, { state: 'aborted', stopReason: run.aborted() ?? 'user' });
        return false;
      } catch (error) {
        if (await storeRecovered()) continue;
        options.onBug(error, { run, during: 'start' });
        tell(run, { state: 'error', failure: KEPT_FOR_LATER });
        return false;
      }
    }
  }

  /** What its user chose goes first, and the agent's own chain behind it. */
  function chainFor(
    run: LiveRun,
    chain: readonly ConfiguredModel[],
    ofSession: string | undefined,
  ): readonly ConfiguredModel[] {
    const ref = run.record.options.model ?? ofSession;
    const chosen = ref === undefined ? undefined : options.catalog().models.get(ref);
    return chosen ? [chosen, ...chain.filter((model) => model.ref !== chosen.ref)] : chain;
  }

  /** Nothing if the store cannot say. */
  async function briefOf(run: LiveRun): Promise<SessionBrief | undefined> {
    for (;;) {
      try {
        return store.brief(run.principal, run.record.sessionKey);
      } catch (error) {
        if (await storeRecovered()) continue;
        options.onBug(error, { run, during: 'start' });
        return undefined;
      }
    }
  }

  function refuse(run: LiveRun, message: string): Promise<void> {
    return endRun(run, { state: 'error', failure: { kind: 'unavailable', message } }, deps);
  }

  /** Ends a run for those who wait for it, without a word to the store. */
  function tell(run: LiveRun, end: RunEnd): void {
    run.over = true;
    try {
      options.listener.ended(run, end);
    } catch (error) {
      deps.onBug(error, run);
    }
    run.settle(end);
  }

  async function abortQueued(lane: Lane, run: LiveRun): Promise<void> {
    const at = lane.queue.indexOf(run);
    if (at < 0) return;
    lane.queue.splice(at, 1);
    await endRun(run, { state: 'aborted', stopReason: 'user' }, deps);
  }

  /** Ends those that stand in the lane now, the active one included. */
  async function endAll(
    lane: Lane,
    isMeant: (runId: string) => boolean = () => true,
  ): Promise<string[]> {
    const mine = [...lane.queue, ...(lane.active ? [lane.active] : [])].filter((run) =>
      isMeant(run.record.runId),
    );
    const ends = mine.map(async (run) => {
      if (run === lane.active) run.abort('user');
      else await abortQueued(lane, run);
      await run.ended;
    });
    await Promise.all(ends);
    return mine.map((run) => run.record.runId);
  }

  async function abortIn(lane: Lane, runId?: string): Promise<string[]> {
    const isMeant = (id: string) => runId === undefined || id === runId;
    const sends = [...lane.accepting];
    const here = endAll(lane, isMeant);
    if (sends.length === 0) return here;
    // Who stops right behind a send, before its acknowledgement, means that send too.
    const stored = acceptedOf(await Promise.allSettled(sends));
    const later = endAll(lane, (id) => stored.has(id) && isMeant(id));
    return [...new Set([...(await here), ...(await later)])];
  }

  return {
    async send(principal, key, turn, { interrupt } = { interrupt: false }) {
      // Of a user who is being removed nothing may come behind that.
      if (refuses(principal) || exclusion.ofUser(principal.userId)) return DRAINING;
      const lane = lanes.open(principal, key);
      // A known run id is answered whatever the queue's length: it adds nothing to it.
      if (isFull(lane, interrupt)) {
        const known = await store.durableRun(principal, key, turn.runId);
        return known
          ? { outcome: 'duplicate', run: known }
          : { outcome: 'refused', reason: 'queue_full' };
      }
      const sent = place(lane, turn, interrupt);
      lane.accepting.add(sent);
      accepting.add(sent);
      try {
        return await sent;
      } finally {
        lane.accepting.delete(sent);
        accepting.delete(sent);
        pump(lane);
      }
    },

    async abort(principal, key, runId) {
      const lane = lanes.find(principal, key);
      return lane ? abortIn(lane, runId) : [];
    },

    clear(principal, key, work, check) {
      const lane = lanes.open(principal, key);
      return exclusion.session(lane, async () => {
        check?.();
        await endAll(lane);
        return work();
      });
    },

    clearUser: (userId, work) =>
      exclusion.user(userId, async () => {
        await Promise.all(lanes.ofUser(userId).map((lane) => endAll(lane)));
        return work();
      }),

    async cleared(principal, key) {
      const lane = lanes.find(principal, key);
      await (lane ? exclusion.ahead(lane) : exclusion.ofUser(principal.userId));
    },

    active: (principal, key) => lanes.find(principal, key)?.active,

    of(principal, key) {
      const lane = lanes.find(principal, key);
      return lane ? [...(lane.active ? [lane.active] : []), ...lane.queue] : [];
    },

    find: (principal, runId) => lanes.findRun(principal, runId),

    has: lanes.has,

    resume(queued) {
      for (const { principal, run } of queued) {
        const lane = lanes.open(principal, run.sessionKey);
        lane.queue.push(createLiveRun(principal, run));
        pump(lane);
      }
    },

    count: () => running.size,

    async drain(graceMs) {
      draining = true;
      await within(graceMs, settled());
      stopped = true;
      stopping.resolve();
      abortAll(running, 'shutdown');
      await within(STOPPING_MS, settled());
    },
  };
}

/** For what the disk does not take. */
const STOPPING_MS = 5_000;

/** Waits for the promise, and not longer. */
async function within(ms: number, promise: Promise<void>): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, over]);
  clearTimeout(timer);
}

const DRAINING: SendResult = { outcome: 'refused', reason: 'draining' };

function acceptedOf(sends: readonly PromiseSettledResult<SendResult>[]): Set<string> {
  const ids = new Set<string>();
  for (const send of sends) {
    if (send.status === 'fulfilled' && send.value.outcome === 'accepted') {
      ids.add(send.value.run.runId);
    }
  }
  return ids;
}

/** Of one turn of the event loop: to read a context and call a model takes a millisecond, for each of a herd. */
const STARTING_MS = 2;

/** A run that the store could not mark as started stays queued there. */
const KEPT_FOR_LATER: RunFailure = {
  kind: 'unavailable',
  message:
    'The storage does not take writes now. The message is kept, and is answered when the gateway starts again.',
};

function abortAll(runs: Iterable<LiveRun>, reason: AbortReason): void {
  for (const run of runs) run.abort(reason);
}

/** What a client is told when nobody can answer it. Names the key that its operator must set. */
export function noModelMessage(agentId: string): string {
  return (
    `No model is configured for the agent "${agentId}". ` +
    'Set agents.defaults.model in openclaw.json to a model of models.providers, as "provider/model".'
  );
}
