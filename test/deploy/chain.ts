/** A front (nginx or the edge) between a stub portal and a stub gateway, and clients to knock at it. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { startEdge } from '../../deploy/edge/edge.ts';
import { startRefusals } from '../../deploy/edge/refusals.ts';
import { type NginxValues, readValues } from '../../deploy/nginx/values.ts';
import {
  deadAddress,
  INSTANCE,
  SECRET,
  type SeenRequest,
  type StubGateway,
  type StubPortal,
  startStubGateway,
  startStubPortal,
  type TokenAnswer,
} from '../support/edge-stubs.ts';
import { startNginx } from '../support/nginx.ts';

export const ORIGIN = 'https://app.example';
/** Stands in every token, so that one look finds any of them. */
export const TOKEN_MARK = 'sekret';
export const TOKEN = 'tok-sekret-of-alice-0001';

export interface Front {
  readonly port: number;
  /** Replaces the map and reads it again. */
  reload(map: string): Promise<void>;
  /** What it has written so far. */
  logs(): Promise<string>;
  /** What it has written up to its end. */
  stop(): Promise<string>;
}

export type StartFront = (values: NginxValues, map: string) => Promise<Front>;

export const nginxFront: StartFront = (values, map) => startNginx(values, map);

export const edgeFront: StartFront = async (values, map) => {
  const folder = await mkdtemp(join(tmpdir(), 'oc-edge-'));
  const mapFile = join(folder, values.mapFile);
  await writeFile(mapFile, map);
  const lines: string[] = [];
  const edge = await startEdge({
    values: { ...values, mapFile },
    host: '127.0.0.1',
    port: 0,
    log: (line) => void lines.push(JSON.stringify(line)),
  });
  return {
    port: edge.port,
    async reload(next) {
      await writeFile(mapFile, next);
      expect(edge.reload()).toMatchObject({ ok: true });
    },
    logs: async () => lines.join('\n'),
    async stop() {
      await edge.close();
      await rm(folder, { recursive: true, force: true });
      return lines.join('\n');
    },
  };
};

export interface ChainOptions {
  tokens?: Readonly<Record<string, TokenAnswer>>;
  gateway?: Parameters<typeof startStubGateway>[0];
  /** Merged over the values file. */
  values?: Readonly<Record<string, unknown>>;
  /** Instead of one line for the stub gateway, whose address it is given. */
  map?: (backend: string) => string;
  /** Nobody there from the start. */
  absent?: 'portal' | 'gateway' | 'refusals';
  env?: Readonly<Record<string, string>>;
}

export interface Chain {
  readonly front: Front;
  readonly portal: StubPortal;
  readonly gateway: StubGateway;
  knock(options?: Knock): Promise<Outcome>;
}

export async function startChain(start: StartFront, options: ChainOptions = {}): Promise<Chain> {
  const portal = await startStubPortal({ [TOKEN]: { user: 'alice' }, ...options.tokens });
  onTestFinished(() => portal.stop());
  const gateway = await startStubGateway(options.gateway);
  onTestFinished(() => gateway.stop());
  const refusals = await startRefusals({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => refusals.close());
  const read = readValues(
    {
      serverNames: ['localhost', '127.0.0.1'],
      allowedOrigins: [ORIGIN],
      portal: options.absent === 'portal' ? await deadAddress() : portal.address,
      refusals: options.absent === 'refusals' ? await deadAddress() : `127.0.0.1:${refusals.port}`,
      unprivileged: true,
      workers: 1,
      ...options.values,
    },
    {
      env: { OC_INTERNAL_SECRET: SECRET, ...options.env },
      file: (path) => {
        throw new Error(`no file ${path}`);
      },
    },
  );
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const backend = options.absent === 'gateway' ? await deadAddress() : gateway.address;
  const front = await start(read.values, options.map?.(backend) ?? mapLine(INSTANCE, backend));
  onTestFinished(async () => {
    // Whatever a test did: no token is ever written down, nor does the gateway see one.
    expect(await front.stop()).not.toContain(TOKEN_MARK);
    expect(JSON.stringify(gateway.upgrades)).not.toContain(TOKEN_MARK);
  });
  return { front, portal, gateway, knock: (knock) => knockAt(front.port, knock) };
}

export function mapLine(id: string, backend: string): string {
  return `${id}  ${backend};\n`;
}

export interface Knock {
  path?: string;
  origin?: string | undefined;
  headers?: Record<string, string | string[]>;
  protocols?: string[];
}

/** What a client learns: an open socket that a gateway has greeted, a close with its reason, or an HTTP status. */
export type Outcome =
  | { readonly kind: 'greeted'; readonly socket: TestSocket }
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  | { readonly kind: 'http'; readonly status: number };

export interface TestSocket {
  echo(text: string): Promise<string>;
  ping(): void;
  readonly closed: Promise<number>;
  close(): void;
}

export function urlPath(token: string = TOKEN, instance: string = INSTANCE): string {
  return `/oc-ws/${instance}?token=${token}`;
}

export function knockAt(port: number, knock: Knock = {}): Promise<Outcome> {
  const origin = 'origin' in knock ? knock.origin : ORIGIN;
  const socket = new WebSocket(
    `ws://127.0.0.1:${port}${knock.path ?? urlPath()}`,
    knock.protocols ?? [],
    { headers: { ...(origin !== undefined && { Origin: origin }), ...knock.headers } },
  );
  onTestFinished(() => socket.terminate());
  const closed = new Promise<number>((resolve) => {
    socket.once('close', (code) => resolve(code));
  });
  return new Promise((resolve) => {
    socket.on('error', () => {});
    socket.once('unexpected-response', (_request, response) => {
      resolve({ kind: 'http', status: response.statusCode ?? 0 });
      socket.terminate();
    });
    socket.once('close', (code, reason) =>
      resolve({ kind: 'closed', code, reason: String(reason) }),
    );
    socket.once('message', () =>
      resolve({
        kind: 'greeted',
        socket: {
          echo: (text) =>
            new Promise((done, failed) => {
              socket.once('message', (data) => done(String(data)));
              socket.once('close', (code) => failed(new Error(`closed with ${code}`)));
              socket.send(text);
            }),
          ping: () => socket.ping(),
          closed,
          close: () => socket.close(),
        },
      }),
    );
  });
}

export function greeted(outcome: Outcome): TestSocket {
  if (outcome.kind !== 'greeted') throw new Error(`refused: ${JSON.stringify(outcome)}`);
  return outcome.socket;
}

export function header(seen: SeenRequest | undefined, name: string): string | undefined {
  const found = seen?.headers.filter(([each]) => each.toLowerCase() === name.toLowerCase()) ?? [];
  expect(found.length, `headers ${name}`).toBeLessThanOrEqual(1);
  return found[0]?.[1];
}
