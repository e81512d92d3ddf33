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
  /**
   * Resolves when it is this caller's turn. Never rejects. What weighs more than the limit has its turn when nothing
   * else is at work.
   */
  enter(key: string, signal: AbortSignal, weight?: number): Promise<Admission>;
  /** The weight of all that is at work. */
  active(): number;
  waiting(): number;
}

export interface FairQueueOptions {
  /** At work at once, by weight: of each it is 1, if nothing else is said. Read anew whenever somebody comes or goes. */
  limit: () => number;
  /** In the queue, all keys together. */
  maxWaiting: number;
}

interface Waiter {
  readonly weight: number;
  begin(): void;
}

/** Each operation costs the same however many wait. */
export function createFairQueue({ limit, maxWaiting }: FairQueueOptions): FairQueue {
  /** In order of turns: the first key is served next, and then goes to the end. */
  const turns = new Map<string, Set<Waiter>>();
  let active = 0;
  let waiting = 0;

  const fits = (weight: number): boolean => active === 0 || active + weight <= limit();

  /** None if the one whose turn it is does not fit yet: nobody overtakes it. */
  const next = (): Waiter | undefined => {
    for (const [key, waiters] of turns) {
      for (const waiter of waiters) {
        if (!fits(waiter.weight)) return undefined;
        turns.delete(key);
        waiters.delete(waiter);
        if (waiters.size > 0) turns.set(key, waiters);
        return waiter;
      }
    }
    return undefined;
  };
  const serve = (): void => {
    for (let waiter = next(); waiter; waiter = next()) waiter.begin();
  };

  const admit = (weight: number): Admission => {
    active += weight;
    let released = false;
    return {
      outcome: 'admitted',
      release() {
        if (released) return;
        released = true;
        active -= weight;
        serve();
      },
    };
  };

  const wait = (key: string, signal: AbortSignal, weight: number) =>
    new Promise<Admission>((resolve) => {
      const waiters = turns.get(key) ?? new Set();
      turns.set(key, waiters);
      waiting += 1;
      const leave = (admission: Admission) => {
        waiting -= 1;
        signal.removeEventListener('abort', abort);
        resolve(admission);
      };
      const turn = { weight, begin: () => leave(admit(weight)) };
      const abort = () => {
        waiters.delete(turn);
        if (waiters.size === 0) turns.delete(key);
        leave({ outcome: 'aborted' });
        // It may have been what the others could not overtake.
        serve();
      };
      waiters.add(turn);
      signal.addEventListener('abort', abort, { once: true });
    });

  return {
    async enter(key, signal, weight = 1) {
      if (signal.aborted) return { outcome: 'aborted' };
      // The limit may have grown.
      serve();
      if (waiting === 0 && fits(weight)) return admit(weight);
      return waiting >= maxWaiting ? { outcome: 'full' } : wait(key, signal, weight);
    },
    active: () => active,
    waiting: () => waiting,
  };
}
