/** Starts the processes of a run, keeps each to its core, and ends them all, whatever happens. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { allowedCores, descendants } from './proc.ts';

/** What is measured has the first core for itself; what measures shares the others. */
export type Role = 'subject' | 'load' | 'upstream';

export interface SpawnOptions {
  /** Without a role the process may run on any core. */
  role?: Role;
  /** `ipc` opens a channel; its output then is ours. `pipe` lets us read its standard output. */
  output: 'ipc' | 'pipe';
  /** A pipe of both directions with the number 3: see loop-delay.ts. */
  control?: boolean;
  env?: NodeJS.ProcessEnv;
}

const alive = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

/** Runs `node args…`. */
export function spawnNode(args: readonly string[], options: SpawnOptions): ChildProcess {
  const core = options.role && corePlan()[options.role];
  const command = [process.execPath, ...args];
  // taskset replaces itself with the command: the child's pid is that of what it runs.
  const [file = '', ...rest] =
    core === undefined ? command : ['taskset', '--cpu-list', String(core), ...command];
  const child = spawn(file, rest, {
    stdio:
      options.output === 'ipc'
        ? ['ignore', 'inherit', 'inherit', 'ipc']
        : ['ignore', 'pipe', 'inherit', ...(options.control ? (['pipe'] as const) : [])],
    env: options.env ?? process.env,
  });
  return remembered(child);
}

/** Runs any other program, on any core and without its output. What it starts ends with it too. */
export function spawnProgram(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): { child: ChildProcess; stop(): Promise<void> } {
  const child = spawn(program, args, { stdio: 'ignore', env });
  const pid = pidOf(child);
  // Some start their real process apart from themselves, so a signal to the group is not enough.
  const endAll = () => {
    for (const each of descendants(pid)) kill(each);
  };
  process.once('exit', endAll);
  return {
    child,
    async stop() {
      const gone = child.exitCode === null ? once(child, 'exit') : undefined;
      endAll();
      process.off('exit', endAll);
      await gone;
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

function remembered(child: ChildProcess): ChildProcess {
  alive.add(child);
  child.once('exit', () => alive.delete(child));
  return child;
}

export function script(...path: string[]): string {
  return join(import.meta.dirname, ...path);
}

/** The pid of a child that has started. */
export function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('a process did not start');
  return child.pid;
}

/** Ends it and waits until it is gone. */
export async function endProcess(
  child: ChildProcess,
  signal: NodeJS.Signals = 'SIGKILL',
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

/** Nothing on a single core, or where there is no taskset: then the scheduler decides. */
export function corePlan(): Partial<Record<Role, number>> {
  if (availableParallelism() < 2) return {};
  const [subject, load, upstream] = allowedCores();
  if (subject === undefined || load === undefined) return {};
  return { subject, load, upstream: upstream ?? load };
}
