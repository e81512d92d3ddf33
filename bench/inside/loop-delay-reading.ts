/** What the two ends of a control pipe agree on. Imports nothing: one end is inside what is measured. */

/** How late an event loop came to what was due, in milliseconds. */
export interface LoopDelay {
  /** How often it was looked at. */
  count: number;
  p99: number;
  max: number;
}

/** Of the pipe; behind standard input, output and error. */
export const CONTROL_FD = 3;

/** Milliseconds between two looks: a process that is idle is woken this seldom. */
export const RESOLUTION_MS = 5;
