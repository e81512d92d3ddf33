/** A portal and a gateway in miniature, for what stands between the browser and them. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

export const SECRET = 'internal-secret-of-the-tests-0123456789';
export const INSTANCE = 'oc-ai-jp-2-02';

/** What verify answers for a token. */
export type TokenAnswer =
  | { user: string; instance?: string; session?: string }
  | { deny: string }
  | { status: number; headers?: Record<string, string> }
  | 'mute';

export interface SeenRequest {
  method: string;
  url: string;
  /** Names as they came, in order. */
  headers: readonly (readonly [name: string, value: string])[];
  body: string;
}

export interface StubPortal {
  readonly address: string;
  readonly verifies: readonly SeenRequest[];
  /** All others. */
  readonly requests: readonly SeenRequest[];
  stop(): Promise<void>;
}

export interface StubGateway {
  readonly address: string;
  /** Every upgrade that reached it. */
  readonly upgrades: readonly SeenRequest[];
  readonly sockets: ReadonlySet<WebSocket>;
  stop(): Promise<void>;
}

/** `port` is that of an earlier one, to come back where it was. */
export async function startStubPortal(
  tokens: Readonly<Record<string, TokenAnswer>>,
  port = 0,
): Promise<StubPortal> {
  const verifies: SeenRequest[] = [];
  const requests: SeenRequest[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += String(chunk);
    });
    request.on('end', () => {
      const seen = look(request, body);
      const url = new URL(seen.url, 'http://portal');
      if (!url.pathname.startsWith('/api/v1/internal/')) {
        requests.push(seen);
        response.writeHead(200, { 'content-type': 'application/json', 'x-from': 'portal' });
        return void response.end(JSON.stringify(seen));
      }
      verifies.push(seen);
      answerVerify(request, response, tokens[url.searchParams.get('token') ?? '']);
    });
  });
  return { ...(await listen(server, port)), verifies, requests };
}

function answerVerify(
  request: IncomingMessage,
  response: ServerResponse,
  answer: TokenAnswer | undefined,
): void {
  const deny = (reason: string) => response.writeHead(403, { 'X-Deny-Reason': reason }).end();
  if (request.headers['x-internal-secret'] !== SECRET) return void deny('not_internal');
  if (answer === undefined) return void deny('token_invalid');
  if (answer === 'mute') return;
  if ('deny' in answer) return void deny(answer.deny);
  if ('status' in answer) return void response.writeHead(answer.status, answer.headers).end();
  response.writeHead(200, {
    'X-User-ID': Buffer.from(answer.user).toString('latin1'),
    'X-Instance-ID': answer.instance ?? INSTANCE,
    'X-Session-Key': answer.session ?? 'web-0123456789abcdef0123456789abcdef',
  });
  response.end();
}

/** `echo` greets with `hello` and sends back what it gets; `mute` takes the connection and says nothing. */
export async function startStubGateway(
  behaviour: 'echo' | 'mute' | { status: number; line?: string } = 'echo',
): Promise<StubGateway> {
  const upgrades: SeenRequest[] = [];
  const sockets = new Set<WebSocket>();
  const webSockets = new WebSocketServer({ noServer: true });
  const server = createServer((_request, response) => response.writeHead(404).end());
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {});
    upgrades.push(look(request, ''));
    if (behaviour === 'mute') return;
    if (behaviour !== 'echo') {
      const { status, line = 'X-Line: none' } = behaviour;
      return void socket.end(`HTTP/1.1 ${status} No\r\n${line}\r\nContent-Length: 0\r\n\r\n`);
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      sockets.add(webSocket);
      webSocket.on('close', () => sockets.delete(webSocket));
      webSocket.on('error', () => {});
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }));
      webSocket.send('hello');
    });
  });
  return { ...(await listen(server)), upgrades, sockets };
}

/** An address where nobody listens. */
export async function deadAddress(): Promise<string> {
  const { address, stop } = await listen(createServer());
  await stop();
  return address;
}

function look(request: IncomingMessage, body: string): SeenRequest {
  const raw = request.rawHeaders;
  const headers = raw.flatMap((name, at) =>
    at % 2 === 0 ? [[name, raw[at + 1] ?? ''] as const] : [],
  );
  return { method: request.method ?? '', url: request.url ?? '', headers, body };
}

async function listen(
  server: Server,
  port = 0,
): Promise<{ address: string; stop(): Promise<void> }> {
  const open = new Set<Duplex>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('not a TCP server');
  return {
    address: `127.0.0.1:${bound.port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}
