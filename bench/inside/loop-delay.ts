/**
 * Loaded into a process that is measured (`--import`), not part of what it runs: how late its event
 * loop comes to what is due. The parent asks over the pipe with the number `CONTROL_FD`: a line
 * `start`, later a line `stop`, which is answered with the figures as JSON.
 */

import { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';
import { CONTROL_FD, type LoopDelay, RESOLUTION_MS } from './loop-delay-reading.ts';

// A worker thread inherits the flags of its process; its loop is not the one that serves.
if (isMainThread) serve(new Socket({ fd: CONTROL_FD, readable: true, writable: true }));

function serve(control: Socket): void {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  // It must neither keep the process alive nor end it when the parent is gone.
  control.unref();
  control.on('error', () => control.destroy());
  control.on('data', (line) => {
    if (String(line) === 'start\n') {
      histogram.reset();
      histogram.enable();
      return;
    }
    histogram.disable();
    const reading: LoopDelay = {
      count: histogram.count,
      p99: late(histogram.percentile(99)),
      max: late(histogram.max),
    };
    control.write(`${JSON.stringify(reading)}\n`);
  });
}

/** The histogram holds nanoseconds between two looks, its own interval included. */
function late(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
}
