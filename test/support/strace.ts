/**
 * Watches, or disturbs, the system calls of a process that runs: strace, attached while a test needs it. A call that
 * is failed this way never reaches the kernel, so the process meets a disk that does exactly what the test says.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

/** Whether strace is there and may attach to processes; some containers forbid it. */
export function canTrace(): boolean {
  const sleeper = spawn('sleep', ['0.5'], { stdio: 'ignore' });
  if (sleeper.pid === undefined) return false;
  const { stderr } = spawnSync('strace', ['-e', 'trace=none', '-p', String(sleeper.pid)]);
  return String(stderr ?? '').includes('attached');
}

export interface Trace {
  /** What was seen so far, a line each: thread, call, arguments, result. */
  readonly lines: readonly string[];
  /** Resolves with the first line, seen or to come, that holds `text`. */
  seen(text: string): Promise<string>;
  /** Leaves the process alone again; resolves with all lines. */
  stop(): Promise<readonly string[]>;
}

/** Resolves when the process, with all of its threads, is watched. */
export async function trace(pid: number, options: readonly string[]): Promise<Trace> {
  const tracer = spawn('strace', ['-f', ...options, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void tracer.kill('SIGINT'));
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const ended = once(tracer, 'close');
  let rest = '';
  tracer.stderr.setEncoding('latin1');
  tracer.stderr.on('data', (chunk) => {
    const pieces = `${rest}${String(chunk)}`.split('\n');
    rest = pieces.pop() ?? '';
    lines.push(...pieces);
    for (const look of waiting) look();
  });
  const seen = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = () => {
        const line = lines.find((each) => each.includes(text));
        if (line === undefined) return;
        waiting.delete(look);
        resolve(line);
      };
      waiting.add(look);
      void ended.then(() => reject(new Error(`strace ended:\n${lines.join('\n')}`)));
      look();
    });
  await seen(`Process ${pid} attached`);
  return {
    lines,
    seen,
    async stop() {
      tracer.kill('SIGINT');
      await ended;
      return lines;
    },
  };
}

/** Makes `calls` (names with commas) on these files fail with `error`, until the trace is stopped. */
export function failing(
  pid: number,
  files: readonly string[],
  calls: string,
  error: 'EIO' | 'ENOSPC',
): Promise<Trace> {
  return trace(pid, [
    ...files.flatMap((file) => ['-P', file]),
    '-e',
    `trace=${calls}`,
    '-e',
    `inject=${calls}:error=${error}`,
  ]);
}
