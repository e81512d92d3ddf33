/**
 * Beats that keep their own time. Node sets an interval again from the moment at which it came, and looks at all of
 * the same length together: after some seconds two hundred of them come in a few bunches, as no two hundred models do.
 */

import { now } from './clock.ts';

interface Beat {
  /** On the monotonic clock, in milliseconds. */
  dueAt: number;
  everyMs: number;
  work: () => void;
}

const beats = new Set<Beat>();
let timer: NodeJS.Timeout | undefined;

/** Calls `work` now, and again `everyMs` after each time that it was due, to the millisecond. Returns how to stop that. */
export function every(everyMs: number, work: () => void): () => void {
  const beat = { dueAt: now() + everyMs, everyMs, work };
  beats.add(beat);
  timer ??= setInterval(beatAll, 1);
  const stop = () => {
    beats.delete(beat);
    if (beats.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  work();
  return stop;
}

function beatAll(): void {
  const at = now();
  for (const beat of beats) {
    if (beat.dueAt > at) continue;
    beat.dueAt += beat.everyMs;
    beat.work();
  }
}
