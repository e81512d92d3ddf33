/** How busy processes are over a stretch of time. */

import { now } from '../clock.ts';
import { cpuMs } from '../proc.ts';

/** By what they are called in the results. */
export type Pids = Readonly<Record<string, number>>;

export interface Reading {
  elapsedMs: number;
  /** Processor time of each in milliseconds. */
  cpuMs: Record<string, number>;
}

/** Starts; call the result to stop. */
export function meter(pids: Pids): () => Reading {
  const before = readAll(pids);
  const startedAt = now();
  return () => {
    const elapsedMs = now() - startedAt;
    const after = Object.entries(readAll(pids));
    return {
      elapsedMs,
      cpuMs: Object.fromEntries(after.map(([name, ms]) => [name, ms - (before[name] ?? 0)])),
    };
  };
}

function readAll(pids: Pids): Record<string, number> {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuMs(pid)]));
}
