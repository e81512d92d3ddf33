/**
 * Bounds how much of one kind of work is done in one turn of the event loop, so that it cannot hold up
 * timers, sockets and everybody else's answers. Work begins for a few milliseconds of each turn; the rest
 * waits, first come first served.
 */

export interface TurnBudget {
  /** Runs `work` now if this turn of the event loop has room for it, else in a later one. It must not throw. */
  run(work: () => void): void;
}

export interface TurnBudgetOptions {
  /** Milliseconds of a turn after which no further work begins; what began runs to its end. */
  budgetMs: number;
  /** Milliseconds on a clock that never goes back. */
  now: () => number;
}

/**
 * What upstreams sent is read and handed on. The process has one event loop, so its endpoints share one
 * budget. Who waits reads no further, so that the network holds its upstream back.
 */
export const READING = createTurnBudget({ budgetMs: 1, now: () => performance.now() });

export function createTurnBudget({ budgetMs, now }: TurnBudgetOptions): TurnBudget {
  const waiting: (() => void)[] = [];
  /** When the first work of this turn began. */
  let began: number | undefined;

  const begin = () => {
    began = now();
    setImmediate(end);
  };
  const end = () => {
    began = undefined;
    if (waiting.length === 0) return;
    begin();
    serve();
  };
  const hasRoom = () => began !== undefined && now() - began < budgetMs;
  const serve = () => {
    if (!hasRoom()) return;
    const work = waiting.shift();
    if (!work) return;
    work();
    // Behind everything that this work set off: only then is it known what it cost.
    queueMicrotask(() => process.nextTick(serve));
  };

  return {
    run(work) {
      if (began === undefined) begin();
      if (waiting.length === 0 && hasRoom()) work();
      else waiting.push(work);
    },
  };
}
