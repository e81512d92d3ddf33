/**
 * A limit on calls at once with a fair queue behind it. Whoever waits stands in a queue of their
 * own key (a user, say), and the keys take turns: someone who asks for a hundred things at once
 * waits for their own hundred, and everyone else for one of them at most.
 */

export type Admission =
  /** `release` must be called when the work is done; calling it again does nothing. */
  | { outcome: 'admitted'; release: () => void }
  /** The signal aborted while waiting. */
  | { outcome: 'aborted' }
  /** As many wait already as may. */
  | { outcome: 'full' };

export interface FairQueue {
  /** Resolves when it is this caller's turn. Never rejects. */
  enter(key: string, signal: AbortSignal): Promise<Admission>;
  active(): number;
  waiting(): number;
}

export interface FairQueueOptions {
  /** At work at once. */
  limit: number;
  /** In the queue, all keys together. */
  maxWaiting: number;
}

type Waiter = () => void;

/** Each operation costs the same however many wait. */
export function createFairQueue({ limit, maxWaiting }: FairQueueOptions): FairQueue {
  /** In order of turns: the first key is served next, and then goes to the end. */
  const turns = new Map<string, Set<Waiter>>();
  let active = 0;
  let waiting = 0;

  const next = (): Waiter | undefined => {
    for (const [key, waiters] of turns) {
      turns.delete(key);
      for (const waiter of waiters) {
        waiters.delete(waiter);
        if (waiters.size > 0) turns.set(key, waiters);
        return waiter;
      }
    }
    return undefined;
  };

  const admit = (): Admission => {
    active += 1;
    let released = false;
    return {
      outcome: 'admitted',
      release() {
        if (released) return;
        released = true;
        active -= 1;
        next()?.();
      },
    };
  };

  const wait = (key: string, signal: AbortSignal) =>
    new Promise<Admission>((resolve) => {
      const waiters = turns.get(key) ?? new Set();
      turns.set(key, waiters);
      waiting += 1;
      const leave = (admission: Admission) => {
        waiting -= 1;
        signal.removeEventListener('abort', abort);
        resolve(admission);
      };
      const turn = () => leave(admit());
      const abort = () => {
        waiters.delete(turn);
        if (waiters.size === 0) turns.delete(key);
        leave({ outcome: 'aborted' });
      };
      waiters.add(turn);
      signal.addEventListener('abort', abort, { once: true });
    });

  return {
    async enter(key, signal) {
      if (signal.aborted) return { outcome: 'aborted' };
      if (active < limit) return admit();
      return waiting >= maxWaiting ? { outcome: 'full' } : wait(key, signal);
    },
    active: () => active,
    waiting: () => waiting,
  };
}
