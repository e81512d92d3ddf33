/**
 * What runs have streamed is saved now and then, so that a crash costs little of it. All runs of a moment would hold
 * up everybody's tokens: each has a moment of its own within the interval, and those of one moment share a commit.
 */

import type { LiveRun } from './run.ts';
import type { SessionStore } from './sessions/store.ts';

export interface CheckpointsOptions {
  store: Pick<SessionStore, 'checkpoint' | 'recovery'>;
  /** How much streamed text a crash may cost, in milliseconds of streaming. */
  checkpointMs: () => number;
  /** A checkpoint is durable; `chars` counts UTF-16 units. */
  onCheckpoint?: (run: LiveRun, chars: number) => void;
  onBug: (error: unknown, context: { run: LiveRun; during: string }) => void;
}

export interface Checkpoints {
  /** Text was streamed: it is saved within the interval. */
  touch(run: LiveRun): void;
  forget(run: LiveRun): void;
}

/** Moments of an interval: 200 streams come to a commit of twenty every 25 ms. */
const MOMENTS = 10;

export function createCheckpoints(options: CheckpointsOptions): Checkpoints {
  const { store, checkpointMs, onCheckpoint, onBug } = options;
  const moments = Array.from({ length: MOMENTS }, () => new Set<LiveRun>());
  const momentOf = new WeakMap<LiveRun, Set<LiveRun>>();
  /** Whose text is on its way: what came behind it may not overtake it, or a crash would leave a hole. */
  const saving = new Set<LiveRun>();
  let dirty = 0;
  let assigned = 0;
  let current = 0;
  let timer: NodeJS.Timeout | undefined;

  function arm(): void {
    if (dirty > 0) timer ??= setTimeout(beat, checkpointMs() / MOMENTS);
  }

  function beat(): void {
    timer = undefined;
    current = (current + 1) % MOMENTS;
    const due = moments[current] ?? new Set();
    for (const run of due) {
      if (saving.has(run)) continue;
      due.delete(run);
      dirty -= 1;
      void save(run);
    }
    arm();
  }

  async function save(run: LiveRun): Promise<void> {
    const text = run.answer.takeUnsaved();
    run.unsaved = false;
    saving.add(run);
    try {
      await store.checkpoint(run.principal, run.record.sessionKey, run.record.runId, text);
      onCheckpoint?.(run, text.length);
    } catch (error) {
      // A store in trouble has said so itself, and every stream would say it again four times a second.
      if (!store.recovery()) onBug(error, { run, during: 'checkpoint' });
      run.answer.putBack(text);
      if (!run.over) touch(run);
    } finally {
      saving.delete(run);
    }
  }

  function touch(run: LiveRun): void {
    // Asked for each token: a field is cheaper than a look into the sets.
    if (run.unsaved) return;
    run.unsaved = true;
    (momentOf.get(run) ?? assign(run)).add(run);
    dirty += 1;
    arm();
  }

  function assign(run: LiveRun): Set<LiveRun> {
    assigned = (assigned + 1) % MOMENTS;
    const moment = moments[assigned] ?? new Set();
    momentOf.set(run, moment);
    return moment;
  }

  return {
    touch,
    forget(run) {
      if (momentOf.get(run)?.delete(run)) dirty -= 1;
    },
  };
}
