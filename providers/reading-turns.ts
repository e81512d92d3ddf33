/**
 * Keeps upstreams that pour from holding the event loop. What they sent is handed on for a few
 * milliseconds of each turn; the rest waits, first come first served, while timers, sockets and other
 * answers have theirs. Who waits reads no further, so that the network holds its upstream back.
 */

export interface ReadingTurns {
  /** Runs `work` now if this turn of the event loop has room for it, else in a later one. It must not throw. */
  run(work: () => void): void;
}

export interface ReadingTurnsOptions {
  /** Milliseconds of a turn after which no further work begins; what began runs to its end. */
  budgetMs: number;
  /** Milliseconds on a clock that never goes back. */
  now: () => number;
}

/** The process has one event loop, so its endpoints share one budget. */
export const PROCESS_TURNS = createReadingTurns({ budgetMs: 4, now: () => performance.now() });

export function createReadingTurns({ budgetMs, now }: ReadingTurnsOptions): ReadingTurns {
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
