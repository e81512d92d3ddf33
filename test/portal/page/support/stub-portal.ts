/**
 * The portal and the proxy in miniature: hands out the built page under the portal's content
 * security policy, answers the portal's API, and forwards WebSockets to a real gateway with the
 * identity of whoever made the token. Tests tell it how to misbehave.
 */

import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { WebSocketServer } from 'ws';
import { ORIGIN } from '../../../support/client.ts';

const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self' ws://127.0.0.1:*",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** How a WebSocket handshake is answered. */
export type Upgrades =
  | { readonly kind: 'forward' }
  /** Accepted, then closed, as the refusal service behind nginx does. */
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  /** Refused before the upgrade: a page sees 1006. */
  | { readonly kind: 'refuse' };

export interface PortalRefusal {
  readonly status: number;
  readonly code: string;
  /** Seconds. */
  readonly retryAfter?: number;
}

export interface StubPortal {
  readonly url: string;
  upgrades: Upgrades;
  /** Answer of session/create instead of a session: status and code. */
  create: PortalRefusal | undefined;
  /** Access tokens made so far; older ones than this are expired. */
  oldestToken: number;
  starters: readonly string[];
  gatewayPort: number;
  /** Sessions that were made so far. */
  created(): number;
  /** Ends every WebSocket without a close frame. */
  cut(): void;
  /** Ends every WebSocket with this close code, as the gateway would. */
  endAll(code: number): void;
  close(): Promise<void>;
}

interface State {
  upgrades: Upgrades;
  create: PortalRefusal | undefined;
  oldestToken: number;
  starters: readonly string[];
  gatewayPort: number;
}

export const INSTANCE = 'oc-ai-jp-2-02';

/** `folder` holds the built page. */
export async function startStubPortal(gatewayPort: number, folder: string): Promise<StubPortal> {
  const state: State = {
    upgrades: { kind: 'forward' },
    create: undefined,
    oldestToken: 0,
    starters: ['Plan a week in Kyoto', 'Explain WebSockets', 'Write a haiku'],
    gatewayPort,
  };
  const sockets = new Set<Socket>();
  const refusals = new WebSocketServer({ noServer: true });
  let created = 0;
  let tokens = 0;
  /** Token of a session → the user it was made for. */
  const sessions = new Map<string, string>();
  let origin = '';

  const loginAnswer = (name: string) => {
    tokens += 1;
    return {
      access_token: `access-${tokens}-${name}`,
      token_type: 'Bearer',
      expires_in: 900,
      refresh_token: `refresh-${name}`,
      user: { id: name, name },
    };
  };
  const userOf = (request: IncomingMessage): string | undefined => {
    const [, number, name] =
      /^Bearer access-(\d+)-(.+)$/.exec(request.headers.authorization ?? '') ?? [];
    return Number(number) >= state.oldestToken ? name : undefined;
  };
  const api = async (request: IncomingMessage, response: ServerResponse, path: string) => {
    const body = await bodyOf(request);
    switch (path) {
      case 'auth/login': {
        const ticket = body['ticket'];
        const good = ticket === 'good' || body['password'] === 'secret';
        if (!good) return reply(response, 401, { error: { code: 'invalid_credentials' } });
        return reply(response, 200, loginAnswer(String(body['username'] ?? 'tina')));
      }
      case 'auth/refresh': {
        const name = /^refresh-(.+)$/.exec(String(body['refresh_token']))?.[1];
        if (name === undefined) return reply(response, 401, { error: { code: 'unauthorized' } });
        return reply(response, 200, loginAnswer(name));
      }
      case 'auth/logout':
        response.writeHead(204).end();
        return undefined;
      case 'me/instances':
        if (userOf(request) === undefined) return unauthorized(response);
        return reply(response, 200, { instances: [instance(state)] });
      case 'me/webchat/session/create': {
        const user = userOf(request);
        if (user === undefined) return unauthorized(response);
        if (state.create) {
          const { status, code, retryAfter } = state.create;
          if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
          return reply(response, status, { error: { code } });
        }
        created += 1;
        const token = `token-${created}`;
        sessions.set(token, user);
        return reply(response, 200, {
          ws_url: `${origin.replace('http', 'ws')}/oc-ws/${INSTANCE}`,
          session_key: `web-${user}`,
          token,
          expires_at: new Date(Date.now() + 60_000).toISOString(),
          instance: instance(state),
        });
      }
      default:
        return reply(response, 404, { error: { code: 'not_found' } });
    }
  };

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', origin);
    if (pathname.startsWith('/api/v1/')) {
      void api(request, response, pathname.slice('/api/v1/'.length));
    } else if (pathname === '/portal/chat/config.json') {
      reply(response, 200, { api_base: '' });
    } else if (pathname.startsWith('/portal/chat/')) {
      void serveFile(response, folder, pathname.slice('/portal/chat/'.length) || 'index.html');
    } else {
      response.writeHead(404).end();
    }
  });
  server.on('upgrade', (request: IncomingMessage, client: Socket, head: Buffer) => {
    sockets.add(client);
    client.on('error', () => {});
    client.once('close', () => sockets.delete(client));
    const { upgrades } = state;
    const token = new URL(request.url ?? '/', origin).searchParams.get('token') ?? '';
    const user = sessions.get(token);
    sessions.delete(token);
    if (upgrades.kind === 'refuse' || user === undefined) {
      client.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
    } else if (upgrades.kind === 'close') {
      refusals.handleUpgrade(request, client, head, (socket) =>
        socket.close(upgrades.code, upgrades.reason),
      );
    } else {
      forward(request, client, head, user);
    }
  });
  const forward = (request: IncomingMessage, client: Socket, head: Buffer, user: string) => {
    const gateway = connect({ port: state.gatewayPort, host: '127.0.0.1' });
    gateway.on('error', () => client.destroy());
    gateway.write(upgradeLines(request, user));
    gateway.write(head);
    client.pipe(gateway);
    gateway.pipe(client);
    client.once('close', () => gateway.destroy());
    gateway.once('close', () => client.destroy());
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  origin = `http://127.0.0.1:${address.port}`;
  return Object.assign(state, {
    url: `${origin}/portal/chat/`,
    created: () => created,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    endAll(code: number) {
      // RFC 6455 5.5.1: an unmasked close frame whose body is the code.
      const frame = Buffer.from([0x88, 2, code >> 8, code & 0xff]);
      for (const socket of sockets) socket.end(frame);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}

function instance(state: State) {
  return { id: INSTANCE, name: 'Mika', starters: state.starters };
}

function upgradeLines(request: IncomingMessage, user: string): string {
  const kept = Object.entries(request.headers).flatMap(([name, value]) =>
    name === 'origin' || name === 'cookie' ? [] : [`${name}: ${String(value)}`],
  );
  return [
    'GET / HTTP/1.1',
    ...kept,
    `Origin: ${ORIGIN}`,
    `X-User-ID: ${user}`,
    `X-Instance-ID: ${INSTANCE}`,
    `X-Session-Key: web-${user}`,
    '',
    '',
  ].join('\r\n');
}

async function serveFile(response: ServerResponse, folder: string, path: string): Promise<void> {
  try {
    const bytes = await readFile(join(folder, normalize(`/${path}`)));
    response.writeHead(200, {
      'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
      'content-security-policy': CSP,
    });
    response.end(bytes);
  } catch {
    response.writeHead(404).end();
  }
}

function unauthorized(response: ServerResponse): void {
  reply(response, 401, { error: { code: 'token_expired' } });
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let source = '';
  for await (const chunk of request) source += String(chunk);
  const value: unknown = source === '' ? {} : JSON.parse(source);
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
