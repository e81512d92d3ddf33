/** What stands before the portal and the gateway: nginx where there is one, else the development edge. */

import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type EdgeOptions, startEdge } from '../edge/edge.ts';
import { makeFolder } from '../files/folder.ts';
import { findNginx } from '../nginx/scratch.ts';
import { type NginxValues, readValues } from '../nginx/values.ts';
import { startNginx } from './nginx.ts';

export interface Front {
  readonly kind: 'nginx' | 'edge';
  stop(): Promise<void>;
  /** Of nginx; the edge runs in this process. */
  readonly pid?: number;
  /** Resolves if it ends by itself. */
  readonly ended: Promise<string>;
}

export interface FrontOptions {
  /** `auto`: nginx if it is installed. */
  kind: Front['kind'] | 'auto';
  folder: string;
  port: number;
  /** `ip:port`. */
  portal: string;
  refusals: string;
  /** The text of oc-ws-map.conf. */
  map: string;
  internalSecret: string;
  /** Merged over the values file, for tests that shrink timers. */
  values?: Readonly<Record<string, unknown>>;
  log?: EdgeOptions['log'];
}

/** @throws Error with what to do, if it cannot come up. */
export async function startFront(options: FrontOptions): Promise<Front> {
  const { kind, folder, port, map } = options;
  makeFolder(folder, 0o700);
  const values = frontValues(options);
  const binary = kind === 'edge' ? undefined : findNginx(process.env);
  if (binary !== undefined) {
    const nginx = await startNginx(binary, folder, values, map);
    return { kind: 'nginx', stop: () => nginx.stop(), pid: nginx.pid, ended: nginx.exited };
  }
  if (kind === 'nginx') throw new Error('nginx is not installed: apt-get install nginx-light');
  const mapFile = join(folder, values.mapFile);
  writeFileSync(mapFile, map);
  const edge = await startEdge({
    values: { ...values, mapFile },
    host: '127.0.0.1',
    port,
    ...(options.log && { log: options.log }),
  });
  return { kind: 'edge', stop: () => edge.close(), ended: new Promise(() => {}) };
}

function frontValues(options: FrontOptions): NginxValues {
  const { port, portal, refusals, internalSecret } = options;
  const read = readValues(
    {
      serverNames: ['127.0.0.1', 'localhost'],
      listen: [`127.0.0.1:${port}`],
      allowedOrigins: pageOrigins(port),
      portal,
      refusals,
      unprivileged: true,
      workers: 1,
      ...options.values,
    },
    { env: { OC_INTERNAL_SECRET: internalSecret }, file: () => '' },
  );
  if (!read.ok) throw new Error(read.problems.join('\n'));
  return read.values;
}

/** How a browser on this machine names the page's origin. */
export function pageOrigins(port: number): readonly string[] {
  return [`http://127.0.0.1:${port}`, `http://localhost:${port}`];
}

/** Below what systems give to whoever asks for any port, so that nobody gets one by chance between look and use. */
const ANY = { first: 20_000, last: 32_000 };

/**
 * nginx cannot tell which port it got, so one is looked for before: `wanted`, or with 0 any but those that are
 * spoken for. Rejects if `wanted` is taken.
 */
export async function freePort(wanted = 0, spokenFor: readonly number[] = []): Promise<number> {
  if (wanted !== 0) return probe(wanted);
  for (;;) {
    const port = randomInt(ANY.first, ANY.last);
    if (spokenFor.includes(port)) continue;
    const free = await probe(port).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') throw error;
    });
    if (free !== undefined) return free;
  }
}

async function probe(port: number): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
