/**
 * The registry of runs: one active run per session, a queue behind it, idempotent sends, aborts,
 * checkpoints, and what is left over from before a restart.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { createTurnBudget } from '../providers/turn-budget.ts';
import { createCheckpoints } from './checkpoints.ts';
import type { Catalog, ConfiguredModel } from './definition.ts';
import { createLanes, type Lane } from './lanes.ts';
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
import type { AcceptedTurn, NewTurn, QueuedRun, SessionStore } from './sessions/store.ts';

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

export type SendResult = AcceptedTurn | { outcome: 'refused'; reason: 'queue_full' | 'draining' };

export interface Runs {
  /** Resolves when the turn is durable; the run starts by itself when the session is free. */
  send(principal: Principal, key: string, turn: NewTurn): Promise<SendResult>;
  /** Ends one run, or all of the session; resolves with the ids of those that it ended, once they have ended. */
  abort(principal: Principal, key: string, runId?: string): Promise<string[]>;
  /**
   * Ends all runs of the session, then does `work`. Sends that come after this call wait for its end, so
   * that they find the session as `work` left it.
   */
  clear<T>(principal: Principal, key: string, work: () => Promise<T>): Promise<T>;
  /** The same for all sessions of a user, in all instances. */
  clearUser<T>(userId: string, work: () => Promise<T>): Promise<T>;
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
  /** No new runs; waits for those under way at most `graceMs`, then interrupts them. Queued ones stay queued. */
  drain(graceMs: number): Promise<void>;
}

export function createRuns(options: RunsOptions): Runs {
  const { store } = options;
  const lanes = createLanes();
  const running = new Set<LiveRun>();
  const places = createPlaces(options);
  const checkpoints = createCheckpoints(options);
  /** Sends on their way into the store, over all lanes. */
  const accepting = new Set<Promise<AcceptedTurn>>();
  /** Users whose sessions are all being emptied: settles when that is done. */
  const leaving = new Map<string, Promise<void>>();
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
    if (stopped || lane.active) return;
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

  async function accept(lane: Lane, turn: NewTurn): Promise<AcceptedTurn> {
    const accepted = await store.acceptTurn(lane.principal, lane.key, turn);
    if (accepted.outcome === 'accepted') {
      lane.queue.push(createLiveRun(lane.principal, accepted.run));
    }
    return accepted;
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
    const models = await chainFor(run, agent.models);
    if (!models) return refuse(run, 'The storage cannot be read now.');
    if (models.length === 0) return refuse(run, noModelMessage(run.record.agentId));
    await executeRun(run, agent, models, deps);
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

  /** Nothing if the store does not say which model the session's user chose. */
  async function chainFor(
    run: LiveRun,
    chain: readonly ConfiguredModel[],
  ): Promise<readonly ConfiguredModel[] | undefined> {
    for (;;) {
      try {
        const session = store.describe(run.principal, run.record.sessionKey);
        const ref = run.record.options.model ?? session?.model;
        const chosen = ref === undefined ? undefined : options.catalog().models.get(ref);
        return chosen ? [chosen, ...chain.filter((model) => model.ref !== chosen.ref)] : chain;
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
    options.listener.ended(run, end);
    run.settle(end);
  }

  async function abortQueued(lane: Lane, run: LiveRun): Promise<void> {
    const at = lane.queue.indexOf(run);
    if (at < 0) return;
    lane.queue.splice(at, 1);
    await endRun(run, { state: 'aborted', stopReason: 'user' }, deps);
  }

  async function abortIn(lane: Lane, runId?: string): Promise<string[]> {
    // Who stops right behind a send, before its acknowledgement, means that send too.
    if (lane.accepting.size > 0) await Promise.allSettled(lane.accepting);
    const mine = [...lane.queue, ...(lane.active ? [lane.active] : [])].filter(
      (run) => runId === undefined || run.record.runId === runId,
    );
    const ends = mine.map(async (run) => {
      if (run === lane.active) run.abort('user');
      else await abortQueued(lane, run);
      await run.ended;
    });
    await Promise.all(ends);
    return mine.map((run) => run.record.runId);
  }

  /** The session's lane, once nobody empties it. At once if nobody does. */
  function free(principal: Principal, key: string): Lane | Promise<Lane> {
    const lane = lanes.open(principal, key);
    const clearing = lane.clearing ?? leaving.get(principal.userId);
    return clearing ? clearing.then(() => free(principal, key)) : lane;
  }

  return {
    async send(principal, key, turn) {
      const found = free(principal, key);
      const lane = found instanceof Promise ? await found : found;
      // Another process may have taken the principal over since its last socket here was closed.
      const isOwn = options.claim?.(principal) ?? true;
      if (draining || !isOwn) return { outcome: 'refused', reason: 'draining' };
      const ahead = lane.queue.length + lane.accepting.size;
      const idle = !lane.active && ahead === 0;
      // Without an active run, the first of those ahead is about to be it.
      const waiting = lane.active ? ahead : ahead - 1;
      const full = !idle && waiting >= options.maxQueuedPerSession();
      // A known run id is answered whatever the queue's length: it adds nothing to it.
      if (full) {
        const known = await store.durableRun(principal, key, turn.runId);
        return known
          ? { outcome: 'duplicate', run: known }
          : { outcome: 'refused', reason: 'queue_full' };
      }
      const start = idle && places.promise(principal.userId);
      const accepted = accept(lane, { ...turn, start });
      lane.accepting.add(accepted);
      accepting.add(accepted);
      try {
        return await accepted;
      } finally {
        lane.accepting.delete(accepted);
        accepting.delete(accepted);
        if (start) places.kept(principal.userId);
        pump(lane);
      }
    },

    async abort(principal, key, runId) {
      const lane = lanes.find(principal, key);
      return lane ? abortIn(lane, runId) : [];
    },

    async clear(principal, key, work) {
      const found = free(principal, key);
      const lane = found instanceof Promise ? await found : found;
      const { promise, resolve } = Promise.withResolvers<void>();
      lane.clearing = promise;
      try {
        await abortIn(lane);
        return await work();
      } finally {
        lane.clearing = undefined;
        resolve();
        pump(lane);
      }
    },

    async clearUser(userId, work) {
      await leaving.get(userId);
      const { promise, resolve } = Promise.withResolvers<void>();
      leaving.set(userId, promise);
      try {
        await Promise.all(lanes.ofUser(userId).map((lane) => abortIn(lane)));
        return await work();
      } finally {
        leaving.delete(userId);
        resolve();
        for (const lane of lanes.ofUser(userId)) pump(lane);
      }
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
      const grace = Promise.withResolvers<void>();
      const timer = setTimeout(grace.resolve, graceMs);
      await Promise.race([settled(), grace.promise]);
      clearTimeout(timer);
      stopped = true;
      stopping.resolve();
      interrupt(running, 'shutdown');
      await settled();
    },
  };
}

/** Of one turn of the event loop: to read a context and call a model takes a millisecond, for each of a herd. */
const STARTING_MS = 2;

/** A run that the store could not mark as started stays queued there. */
const KEPT_FOR_LATER: RunFailure = {
  kind: 'unavailable',
  message:
    'The storage does not take writes now. The message is kept, and is answered when the gateway starts again.',
};

function interrupt(runs: Iterable<LiveRun>, reason: AbortReason): void {
  for (const run of runs) run.abort(reason);
}

/** What a client is told when nobody can answer it. Names the key that its operator must set. */
export function noModelMessage(agentId: string): string {
  return (
    `No model is configured for the agent "${agentId}". ` +
    'Set agents.defaults.model in openclaw.json to a model of models.providers, as "provider/model".'
  );
}
