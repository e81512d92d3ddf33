/** Starts the processes of a run, keeps each to its core, and ends them all, whatever happens. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import nodeFlags from '../deploy/bin/node-flags.json' with { type: 'json' };
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

/** All that this process could use when it began; none where a process cannot be kept to one of them. */
const CORES = availableParallelism() < 2 || !hasTaskset() ? [] : allowedCores();
const PLAN = planOf(CORES);

const alive = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

/** Runs `node args…` with the flags that the product has: subjects differ in their programs alone. */
export function spawnNode(args: readonly string[], options: SpawnOptions): ChildProcess {
  const core = options.role && PLAN[options.role];
  const cores = core === undefined ? CORES : [core];
  const [file = '', ...rest] = onCores(cores, [process.execPath, ...nodeFlags, ...args]);
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
  const [file = '', ...rest] = onCores(CORES, [program, ...args]);
  const child = spawn(file, rest, { stdio: 'ignore', env });
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

/** Nothing where a process cannot be kept to a core: then the scheduler decides. */
export function corePlan(): Partial<Record<Role, number>> {
  return PLAN;
}

/** This process leaves the core of what is measured too. Its children do not take after it: see `onCores`. */
export function stepAside(): void {
  const others = CORES.filter((core) => core !== PLAN.subject);
  if (PLAN.subject === undefined) return;
  spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', others.join(','), `${process.pid}`]);
}

function hasTaskset(): boolean {
  return spawnSync('taskset', ['--version']).status === 0;
}

function planOf(cores: readonly number[]): Partial<Record<Role, number>> {
  const [subject, load, upstream] = cores;
  if (subject === undefined || load === undefined) return {};
  return { subject, load, upstream: upstream ?? load };
}

/** taskset replaces itself with the command: the child's pid is that of what it runs. */
function onCores(cores: readonly number[], command: readonly string[]): readonly string[] {
  return cores.length === 0 ? command : ['taskset', '--cpu-list', cores.join(','), ...command];
}
