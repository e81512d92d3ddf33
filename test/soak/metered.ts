/** A gateway whose event loop can be asked how late it was. */

import { readdirSync, readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import {
  type GatewayProcess,
  type GatewayProcessOptions,
  startGateway,
} from '../support/gateway.ts';

/** Milliseconds. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface MeteredGateway extends GatewayProcess {
  /** Since the last call of this. */
  loopDelay(): Promise<LoopDelay>;
}

/** `favoured`: for figures, at the highest priority. */
export async function startMetered(
  options: GatewayProcessOptions & { favoured: boolean },
): Promise<MeteredGateway> {
  const meter = join(import.meta.dirname, 'loop-meter.ts');
  const gateway = await startGateway({ ...options, env: { NODE_OPTIONS: `--import=${meter}` } });
  if (options.favoured) favour(gateway.pid);
  let reading = 0;
  return Object.assign(gateway, {
    async loopDelay() {
      reading += 1;
      gateway.signal('SIGUSR2');
      const line = await gateway.logged('loop_delay', { reading });
      return { p50: Number(line['p50']), p99: Number(line['p99']), max: Number(line['max']) };
    },
  });
}

/** What else the machine does is not the gateway's delay. Only the superuser may. */
function favour(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_HIGHEST);
  } catch {
    process.stdout.write('measured at the ordinary priority: run as root on a busy machine\n');
  }
}

export function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

export function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** `share` of them are at most this; 0 of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** A row of a Markdown table, on standard output. */
export function printRow(cells: readonly (string | number)[]): void {
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}
