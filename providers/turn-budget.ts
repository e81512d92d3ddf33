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
  /**
   * `late`: what a work costs comes behind the call, in promises that it keeps and in what these send. The next one waits
   * for that.
   * By default it has come when the call returns.
   */
  cost?: 'late';
}

/**
 * What upstreams sent is read and handed on: a piece of an answer that pours takes a third of a millisecond, and as much
 * again behind it, when it is sent. The process has one event loop, so its endpoints share one
 * budget. Who waits reads no further, so that the network holds its upstream back.
 */
export const READING = createTurnBudget({ budgetMs: 0.5, now: () => performance.now() });

export function createTurnBudget({ budgetMs, now, cost }: TurnBudgetOptions): TurnBudget {
  const waiting: (() => void)[] = [];
  /** When the first work of this turn began. */
  let began: number | undefined;
  /** What the last one costs is not known yet. */
  let unknown = false;

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
  const hasRoom = () => !unknown && began !== undefined && now() - began < budgetMs;
  const start = (work: () => void) => {
    work();
    if (cost !== 'late') return;
    unknown = true;
    // Twice: Node writes a request to its connection by such a tick, which the promises ask for before this one comes.
    queueMicrotask(() => process.nextTick(() => process.nextTick(known)));
  };
  const known = () => {
    unknown = false;
    serve();
  };
  const serve = () => {
    while (waiting.length > 0 && hasRoom()) {
      const work = waiting.shift();
      if (work) start(work);
    }
  };

  return {
    run(work) {
      if (began === undefined) begin();
      if (waiting.length === 0 && hasRoom()) start(work);
      else waiting.push(work);
    },
  };
}
