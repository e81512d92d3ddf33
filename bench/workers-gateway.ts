/** A gateway of several processes: where each listens, and which they are. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { configuration, stateFolder } from './gateway-process.ts';
import { endProcess, pidOf, spawnNode } from './processes.ts';
import type { Setup } from './setup.ts';

export interface WorkersGateway {
  ports: readonly number[];
  /** All of its processes, the supervisor included. */
  pids: readonly number[];
  stop(): Promise<void>;
}

/** On any core: that is what is measured. Resolves when all listen. */
export async function startWorkersGateway(setup: Setup, workers: number): Promise<WorkersGateway> {
  const stateDir = stateFolder();
  const config = join(stateDir, 'openclaw.json');
  const { gateway, ...rest } = configuration(setup.upstream.port);
  writeFileSync(config, JSON.stringify({ ...rest, gateway: { ...gateway, workers } }));
  const child = spawnNode([setup.gatewayMain, 'serve', '--config', config, '--port', '0'], {
    output: 'pipe',
    env: { PATH: process.env['PATH'], HOME: stateDir, OPENCLAW_STATE_DIR: stateDir },
  });
  const { stdout } = child;
  if (!stdout) throw new Error('the gateway has no standard output');
  const listening = new Map<number, number>();
  const all = Promise.withResolvers<void>();
  const lines = createInterface({ input: stdout });
  lines.on('line', (line) => {
    // The log is the gateway's own: one JSON object a line.
    const entry: { event?: string; port?: number; pid: number } = JSON.parse(line);
    if (entry.event !== 'listening' || entry.port === undefined) return;
    listening.set(entry.pid, entry.port);
    if (listening.size === workers) all.resolve();
  });
  child.once('exit', (code) => all.reject(new Error(`the gateway ended with ${code}`)));
  await all.promise;
  // A full pipe would hold the gateway up.
  lines.close();
  stdout.resume();
  return {
    ports: [...listening.values()],
    pids: [...new Set([pidOf(child), ...listening.keys()])],
    stop: () => endProcess(child, 'SIGTERM'),
  };
}
