/** How the run and its own child processes talk: a child says that it is ready, and may serve tasks. */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** What a process can be asked to do. Arguments and results travel as JSON. */
export type Tasks = Readonly<Record<string, (args: never) => Promise<object>>>;

type Reply<Result extends object> = { result: Result } | { error: string };

/** Child: ends with its parent, and tells it the port that it listens on (0 if it listens on none). */
export function announceReady(port: number): void {
  if (!process.send) throw new Error('this process is started by bench/run.ts');
  process.on('disconnect', () => process.exit());
  process.send({ port });
}

/** Child: does what it is asked, one task at a time. */
export function serveTasks(tasks: Tasks): void {
  process.on('message', ({ name, args }: { name: string; args: never }) => {
    const task = tasks[name];
    if (!task) throw new Error(`no task "${name}"`);
    task(args).then(
      (result) => reply({ result }),
      (error: unknown) => reply({ error: error instanceof Error ? String(error.stack) : 'failed' }),
    );
  });
  announceReady(0);
}

function reply(message: Reply<object>): void {
  process.send?.(message);
}

/** Parent: the port of a child that has become ready. Rejects if it ends before that. */
export async function readyPort(child: ChildProcess): Promise<number> {
  const { port }: { port: number } = await nextMessage(child);
  return port;
}

/** Longer than any task takes, on a machine that has much else to do. */
const PATIENCE_MS = 120_000;

/** Parent: has a child do a task. Rejects if the task fails, takes far too long, or the child ends. */
export async function callTask<Result extends object>(
  child: ChildProcess,
  name: string,
  args: object,
): Promise<Result> {
  child.send({ name, args });
  const answer: Reply<Result> = await nextMessage(child);
  if ('error' in answer) throw new Error(`${name}: ${answer.error}`);
  return answer.result;
}

/** Whatever it is: both ends are ours. */
async function nextMessage(child: ChildProcess) {
  const settled = new AbortController();
  const signal = AbortSignal.any([settled.signal, AbortSignal.timeout(PATIENCE_MS)]);
  try {
    return await Promise.race([
      once(child, 'message', { signal }).then(([message]) => message),
      once(child, 'exit', { signal }).then(([code]) => {
        throw new Error(`the process ${child.pid} ended with ${code}`);
      }),
    ]);
  } finally {
    settled.abort();
  }
}
