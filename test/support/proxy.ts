/**
 * The reverse proxy that stands before the gateway, in miniature: it forwards WebSocket upgrades,
 * drops every identity header that the client sent and adds its own, as nginx does after it has
 * asked the portal who the client is. It can cut what it carries, as a network does.
 */

import { createServer, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { ORIGIN } from './client.ts';

export interface ForwardedIdentity {
  user: string;
  instance?: string;
  session?: string;
  /** The allowed one by default. */
  origin?: string;
}

export interface TestProxy {
  /** `ws://127.0.0.1:<port>/`, for clients. */
  readonly url: string;
  /** WebSocket connections that it has forwarded so far. */
  forwarded(): number;
  /** Destroys what it carries without a close frame; new connections are served. */
  cut(): void;
}

/** Who the client is and where its page comes from: the proxy's to say, never the client's. */
const DROPPED = new Set(['origin', 'x-user-id', 'x-instance-id', 'x-session-key']);

/** Starts a proxy for one verified user, on a free port. Ends with the test. */
export async function startProxy(gatewayPort: number, who: ForwardedIdentity): Promise<TestProxy> {
  const sockets = new Set<Socket>();
  let forwarded = 0;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    // A reset by either side is an end like any other; `close` follows it.
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  };
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };

  const server = createServer((_request, response) => response.writeHead(404).end());
  server.on('upgrade', (request: IncomingMessage, client: Socket, head: Buffer) => {
    forwarded += 1;
    const gateway = connect({ port: gatewayPort, host: '127.0.0.1' });
    keep(client);
    keep(gateway);
    gateway.write(upgradeLines(request, who));
    gateway.write(head);
    client.pipe(gateway);
    gateway.pipe(client);
    client.once('close', () => void gateway.destroy());
    gateway.once('close', () => void client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    cut();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  return { url: `ws://127.0.0.1:${address.port}/`, forwarded: () => forwarded, cut };
}

function upgradeLines(request: IncomingMessage, who: ForwardedIdentity): string {
  const raw = request.rawHeaders;
  const lines = raw.flatMap((name, at) => {
    const isName = at % 2 === 0;
    // nginx drops names with underscores by default, so no look-alike gets through either.
    if (!isName || name.includes('_') || DROPPED.has(name.toLowerCase())) return [];
    return [`${name}: ${raw[at + 1]}`];
  });
  return [
    `GET ${request.url} HTTP/1.1`,
    ...lines,
    `Origin: ${who.origin ?? ORIGIN}`,
    `X-User-ID: ${who.user}`,
    ...(who.instance === undefined ? [] : [`X-Instance-ID: ${who.instance}`]),
    ...(who.session === undefined ? [] : [`X-Session-Key: ${who.session}`]),
    '',
    '',
  ].join('\r\n');
}
