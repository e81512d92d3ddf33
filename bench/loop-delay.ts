/** How late the event loop of a measured process comes to what is due, asked from outside. */

import type { ChildProcess } from 'node:child_process';
import { Duplex } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { CONTROL_FD, type LoopDelay } from './inside/loop-delay-reading.ts';
import { script } from './processes.ts';

/** Node's flags that put the measuring part into a process. */
export const LOOP_DELAY_FLAGS = [
  '--import',
  pathToFileURL(script('inside', 'loop-delay.ts')).href,
] as const;

/** Over as long as `task` takes, in a child that was started with those flags and a control pipe. */
export async function withLoopDelay<Result extends object>(
  child: ChildProcess | undefined,
  task: () => Promise<Result>,
): Promise<Result & { loopDelay?: LoopDelay }> {
  const control = child?.stdio[CONTROL_FD];
  if (!(control instanceof Duplex)) return task();
  control.write('start\n');
  const result = await task();
  const answered = new Promise<LoopDelay>((resolve, reject) => {
    const ended = () => reject(new Error('the measured process ended'));
    control.once('close', ended);
    control.once('data', (line) => {
      control.off('close', ended);
      resolve(JSON.parse(String(line)));
    });
  });
  control.write('stop\n');
  return { ...result, loopDelay: await answered };
}
