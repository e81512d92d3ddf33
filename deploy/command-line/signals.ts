/** SIGTERM and SIGINT: the first asks to stop, another one insists. */

export interface StopSignals {
  /** The first signal: stop in good order. */
  readonly stop: Promise<NodeJS.Signals>;
  /** A later one: stop at once. */
  readonly insist: Promise<NodeJS.Signals>;
}

/** A terminal and a process manager may both pass on the same key press: that is one signal. */
const SAME_SIGNAL_MS = 500;

/** Listens from now on, for the life of the process. */
export function listenForStop(now: () => number = () => performance.now()): StopSignals {
  const stop = Promise.withResolvers<NodeJS.Signals>();
  const insist = Promise.withResolvers<NodeJS.Signals>();
  let firstAt: number | undefined;
  const heard = (signal: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = now();
      stop.resolve(signal);
    } else if (now() - firstAt > SAME_SIGNAL_MS) {
      insist.resolve(signal);
    }
  };
  process.on('SIGTERM', heard);
  process.on('SIGINT', heard);
  return { stop: stop.promise, insist: insist.promise };
}
