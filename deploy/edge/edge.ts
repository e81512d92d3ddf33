/**
 * The development edge: what the rendered nginx does, for a machine without nginx. The same tests run against both.
 * It is not made for the internet: nginx is.
 */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { parseMap } from '../nginx/map.ts';
import { mapOptions, type NginxValues } from '../nginx/values.ts';
import { refusalClose } from './close-codes.ts';
import {
  addressOf,
  createGates,
  forwardingHeaders,
  type Gates,
  type HandshakeEnd,
  handshake,
} from './handshake.ts';
import { routeOf } from './judge.ts';
import { answerApi, answerPlain, passToPortal } from './portal-proxy.ts';
import { createCloser } from './refusals.ts';

export interface EdgeOptions {
  /** `listen` is not looked at: host and port are below. */
  values: NginxValues;
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** One line for each handshake, when it is over; its fields never hold the token. */
  log?: (line: Readonly<Record<string, unknown>>) => void;
  /** Milliseconds. */
  now?: () => number;
}

export type MapRead =
  | { readonly ok: true; readonly backends: ReadonlyMap<string, string> }
  | { readonly ok: false; readonly problems: readonly string[] };

export interface Edge {
  readonly host: string;
  readonly port: number;
  /** Reads the map again. Live sockets stay. A map with problems changes nothing and is told. */
  reload(): MapRead;
  /** Cuts what is left. */
  close(): Promise<void>;
}

/** @throws Error if the map has problems or the address cannot be bound. */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { values } = options;
  const first = readMap(values);
  if (!first.ok) throw new Error(`the map has problems:\n${first.problems.join('\n')}`);
  let { backends } = first;
  const gates = createGates(values, options.now ?? (() => performance.now()));
  const refuse = createCloser();
  const server = createHttpServer(values);
  const sockets = new Set<Duplex>();

  server.on('connection', (socket: Duplex) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) =>
    answer(values, gates, request, response),
  );
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const requestId = randomBytes(16).toString('hex');
    const conclude = (end: HandshakeEnd) => {
      const uri = (request.url ?? '').replace(/[?#].*$/s, '');
      const told = 'refused' in end ? refusalClose(end.refused, end.word) : undefined;
      options.log?.({
        event: 'handshake',
        requestId,
        uri,
        ip: addressOf(request),
        ...end,
        ...(told && { told }),
      });
      if ('plain' in end) answerSocket(socket, end.plain);
      else if (told) refuse(request, socket, head, told);
    };
    const arrival = { request, socket, head, requestId };
    void handshake(values, backends, gates, arrival).then(conclude);
  });

  const port = await listen(server, options);
  return {
    host: options.host,
    port,
    reload() {
      const next = readMap(values);
      if (next.ok) ({ backends } = next);
      return next;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function createHttpServer({ tls }: NginxValues): Server {
  if (!tls) return createServer();
  return createTlsServer({ cert: readFileSync(tls.certificate), key: readFileSync(tls.key) });
}

async function listen(server: Server, { host, port }: EdgeOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return address.port;
}

/** Everything that is no upgrade. */
function answer(
  values: NginxValues,
  gates: Gates,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const route = routeOf(values, request);
  switch (route.kind) {
    case 'plain':
      return answerPlain(response, route.status);
    case 'redirect':
      return void response.writeHead(route.status, { location: route.to }).end();
    case 'socket':
      return answerPlain(response, request.method === 'GET' ? 426 : 405);
    case 'page':
      if (request.method !== 'GET' && request.method !== 'HEAD') return answerPlain(response, 405);
      break;
    case 'api':
      if (!gates.api.take(addressOf(request))) return answerApi(values, request, response, 429);
  }
  passToPortal(values, request, response, { ...route, own: forwardingHeaders(values, request) });
}

function answerSocket(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function readMap(values: NginxValues): MapRead {
  const parsed = parseMap(readFileSync(values.mapFile, 'utf8'), mapOptions(values));
  if (parsed.ok) return parsed;
  return {
    ok: false,
    problems: parsed.problems.map((each) => `line ${each.line}: ${each.message}`),
  };
}
