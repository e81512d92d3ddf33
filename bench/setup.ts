/** Everything that a scenario needs of the others: the plan and the processes. */

import type { ChildProcess } from 'node:child_process';
import {
  type GatewayOptions,
  type GatewayProcess,
  startGateway,
  stateFolder,
} from './gateway-process.ts';
import type { LoopDelay } from './inside/loop-delay-reading.ts';
import type { Target } from './load/conversation.ts';
import type { Pids } from './load/meter.ts';
import type { LoadTasks } from './load.ts';
import { withLoopDelay } from './loop-delay.ts';
import type { Plan } from './plan.ts';
import { endProcess, pidOf, type Role, script, spawnNode } from './processes.ts';
import { callTask, readyPort } from './remote.ts';

/** In the readings, the process that is measured. */
export const SUBJECT = 'subject';

/** A process that scenarios compare. */
export interface Subject {
  name: string;
  target: Target;
  /** Absent for the direct client, which has no process between. */
  pid?: number;
  /** Its event loop is watched. */
  child?: ChildProcess;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface Setup {
  plan: Plan;
  /** The gateway's program. */
  gatewayMain: string;
  upstream: { port: number; pid: number };
  load: { pid: number; run: RunTask };
  /** Ends the upstream and the load generator; the subjects are ended one by one. */
  stop(): Promise<void>;
  /** See `allSubjects`. */
  subjects?: Promise<Subject[]>;
}

/** Has the load generator do a task. */
export type RunTask = <Name extends keyof LoadTasks>(
  name: Name,
  args: Parameters<LoadTasks[Name]>[0],
) => Promise<Answer<Name>>;

type Answer<Name extends keyof LoadTasks> = Awaited<ReturnType<LoadTasks[Name]>>;

/** Names of the subjects, and of their columns. */
export const GATEWAY = 'gateway';
export const RELAY = 'SDK relay';
export const LEAN = 'lean relay';
export const DIRECT = 'direct';
export const RAW = 'raw sends';

export async function startSetup(plan: Plan, gatewayMain: string): Promise<Setup> {
  const [upstream, load] = await Promise.all([
    startChild(['upstream.ts'], 'upstream'),
    startChild(['load.ts'], 'load'),
  ]);
  const run: RunTask = (name, args) => callTask<Answer<typeof name>>(load.child, name, args);
  return {
    plan,
    gatewayMain,
    upstream: { port: upstream.port, pid: pidOf(upstream.child) },
    load: { pid: pidOf(load.child), run },
    async stop() {
      await Promise.all([endProcess(upstream.child), endProcess(load.child)]);
    },
  };
}

export async function startRelay(setup: Setup, reader: 'sdk' | 'lean'): Promise<Subject> {
  const args = ['relay.ts', '--reader', reader, '--upstream', String(setup.upstream.port)];
  const { child, port } = await startChild(args, 'subject');
  return {
    name: reader === 'sdk' ? RELAY : LEAN,
    target: { kind: 'socket', port },
    pid: pidOf(child),
    stop: (signal) => endProcess(child, signal),
  };
}

/** See raw-sender.ts. */
export async function startRawSender(): Promise<Subject> {
  const { child, port } = await startChild(['raw-sender.ts'], 'subject');
  return {
    name: RAW,
    target: { kind: 'socket', port },
    pid: pidOf(child),
    stop: (signal) => endProcess(child, signal),
  };
}

/** Its event loop is watched, if nothing else is said. */
export async function startGatewaySubject(
  setup: Setup,
  options: Partial<Pick<GatewayOptions, 'nodeFlags' | 'watched'>> = {},
): Promise<Subject> {
  const gateway = await startMeasuredGateway(setup, { role: 'subject', watched: true, ...options });
  return {
    name: GATEWAY,
    target: { kind: 'socket', port: gateway.port },
    pid: gateway.pid,
    child: gateway.child,
    stop: gateway.stop,
  };
}

/** With a new state folder, unless one is given. */
export function startMeasuredGateway(
  setup: Setup,
  options: Partial<Pick<GatewayOptions, 'stateDir' | 'role' | 'nodeFlags' | 'watched'>> = {},
): Promise<GatewayProcess> {
  return startGateway({
    main: setup.gatewayMain,
    upstreamPort: setup.upstream.port,
    ...options,
    stateDir: options.stateDir ?? stateFolder(),
  });
}

function directSubject(setup: Setup): Subject {
  return {
    name: DIRECT,
    target: { kind: 'direct', port: setup.upstream.port },
    stop: () => Promise.resolve(),
  };
}

/**
 * Everything through which an answer can come. Started once in a run: the scenarios that compare
 * them find their code compiled and their connections open, as a process has them that has run for a while.
 */
export function allSubjects(setup: Setup): Promise<Subject[]> {
  return (setup.subjects ??= startAll(setup));
}

async function startAll(setup: Setup): Promise<Subject[]> {
  const subjects = [
    await startGatewaySubject(setup),
    await startRelay(setup, 'sdk'),
    await startRelay(setup, 'lean'),
    directSubject(setup),
  ];
  for (const subject of subjects) await season(setup, subject);
  return subjects;
}

/** It answers for a while: what V8 compiles meanwhile a process that serves has compiled long ago. */
export async function season({ plan, load }: Setup, { target }: Subject): Promise<void> {
  if (plan.seasonMs === 0) return;
  await load.run('alone', { target, warmUpMs: 0, askMs: plan.seasonMs });
}

export async function stopAll(subjects: readonly Subject[]): Promise<void> {
  await Promise.all(subjects.map((subject) => subject.stop()));
}

async function startChild(
  [file = '', ...args]: readonly string[],
  role: Role,
): Promise<{ child: ChildProcess; port: number }> {
  const child = spawnNode([script(file), ...args], { role, output: 'ipc' });
  return { child, port: await readyPort(child) };
}

/** Whose processor time a measurement of this subject reads. */
export function pidsOf(setup: Setup, subject: Subject): Pids {
  return {
    ...(subject.pid !== undefined && { [SUBJECT]: subject.pid }),
    load: setup.load.pid,
    upstream: setup.upstream.pid,
  };
}

/** Has the load generator do a task, and watches the subject's event loop meanwhile. */
export function runWatched<Name extends keyof LoadTasks>(
  setup: Setup,
  subject: Subject,
  name: Name,
  args: Parameters<LoadTasks[Name]>[0],
): Promise<Answer<Name> & { loopDelay?: LoopDelay }> {
  return withLoopDelay(subject.child, () => setup.load.run(name, args));
}
