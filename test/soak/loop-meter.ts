/**
 * Preloaded into a gateway (`--import`): at SIGUSR2 it writes a line about the delay of the gateway's event loop since
 * the last one, in milliseconds. The delay is that of a timer of 1 ms, so an idle loop shows a little over 1.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const toMs = (nanoseconds: number) => Math.round(nanoseconds / 10_000) / 100;

// Threads of the gateway are preloaded too, and have loops of their own.
if (isMainThread) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let reading = 0;
  process.on('SIGUSR2', () => {
    reading += 1;
    const [p50, p99] = [50, 99].map((share) => toMs(delay.percentile(share)));
    const line = { event: 'loop_delay', reading, p50, p99, max: toMs(delay.max) };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    delay.reset();
  });
}
