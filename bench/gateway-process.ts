/** The gateway as an operator starts it: `serve`, with a state folder of its own. */

import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { now } from './clock.ts';
import { LOOP_DELAY_FLAGS } from './loop-delay.ts';
import { endProcess, pidOf, type Role, script, spawnNode } from './processes.ts';

export interface GatewayProcess {
  port: number;
  pid: number;
  child: ChildProcess;
  /** From the spawn to the line that says that it listens, in milliseconds. */
  startMs: number;
  /** Kills it; with SIGTERM it stops in order, as it must for its profile to be written. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface GatewayOptions {
  /** The program. */
  main: string;
  stateDir: string;
  upstreamPort: number;
  role?: Role;
  /** For Node itself. */
  nodeFlags?: readonly string[];
  /** Whether its event loop is to be watched: see loop-delay.ts. */
  watched?: boolean;
}

/** Git does not see it. */
export const RESULTS = script('results');

const folders: string[] = [];
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/**
 * A folder that is gone when this process is. It stands with the results and not in the system's
 * temporary folder, which may be in memory: there, a durable write would cost nothing.
 */
export function stateFolder(): string {
  return temporaryFolder('state-');
}

export function temporaryFolder(prefix: string): string {
  mkdirSync(RESULTS, { recursive: true });
  const folder = mkdtempSync(join(RESULTS, prefix));
  folders.push(folder);
  return folder;
}

export function databasePath(stateDir: string): string {
  return join(stateDir, 'oc-gateway.sqlite');
}

/** Resolves when it listens; rejects if it ends before. */
export async function startGateway(options: GatewayOptions): Promise<GatewayProcess> {
  const { stateDir, role } = options;
  const config = join(stateDir, 'openclaw.json');
  writeFileSync(config, JSON.stringify(configuration(options.upstreamPort)));
  const flags = [
    ...(options.nodeFlags ?? []),
    ...(options.watched ? LOOP_DELAY_FLAGS : []),
    options.main,
    'serve',
    '--config',
    config,
    '--port',
    '0',
  ];
  const spawnedAt = now();
  const child = spawnNode(flags, {
    output: 'pipe',
    control: options.watched ?? false,
    env: { PATH: process.env['PATH'], HOME: stateDir, OPENCLAW_STATE_DIR: stateDir },
    ...(role && { role }),
  });
  const port = await listeningPort(child);
  return {
    port,
    pid: pidOf(child),
    child,
    startMs: now() - spawnedAt,
    stop: (signal) => endProcess(child, signal),
  };
}

/** The rest of its log is read and dropped: a full pipe would hold the gateway up. */
function listeningPort(child: ChildProcess): Promise<number> {
  const { stdout } = child;
  if (!stdout) throw new Error('the gateway has no standard output');
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: stdout });
    lines.on('line', (line) => {
      // The log is the gateway's own: one JSON object a line.
      const entry: { event?: string; port?: number } = JSON.parse(line);
      if (entry.event !== 'listening' || entry.port === undefined) return;
      lines.close();
      stdout.resume();
      resolve(entry.port);
    });
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code}`)));
  });
}

/** Defaults but for what a benchmark on one machine cannot do without. */
export function configuration(upstreamPort: number) {
  return {
    gateway: {
      bind: 'loopback',
      trustedProxies: ['127.0.0.1'],
      auth: { trustedProxy: { allowLoopback: true } },
      controlUi: { allowedOrigins: [ORIGIN], dangerouslyDisableDeviceAuth: true },
      // One machine asks and sends as fast as it can, for few users.
      limits: {
        requestsPerSecond: 0,
        sendsPerMinute: 0,
        maxRunsPerUser: 0,
        maxSocketsPerUser: 1_000,
      },
      shutdown: { graceSeconds: 0 },
    },
    agents: { defaults: { model: 'bench/bench' } },
    models: {
      providers: {
        bench: {
          api: 'openai-completions',
          baseUrl: `http://127.0.0.1:${upstreamPort}`,
          apiKey: 'bench',
          models: [{ id: 'bench' }],
        },
      },
    },
  };
}

/** What the load generator's sockets say that they come from. */
export const ORIGIN = 'https://bench.example';
