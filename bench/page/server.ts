/**
 * The portal and the gateway in miniature, for measuring the page and nothing else: hands out the
 * built page, opens sessions, and streams each answer at a steady pace.
 */

import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { type WebSocket, WebSocketServer } from 'ws';
import { KINDS, TOKEN_MS, tokensOf } from './texts.ts';

export interface PageServer {
  readonly url: string;
  close(): Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** `folder` holds the built page. */
export async function servePage(folder: string): Promise<PageServer> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://page');
    const path = pathname.replace('/portal/chat/', '') || 'index.html';
    if (pathname.endsWith('/session/create')) {
      response.end(JSON.stringify(session(server)));
    } else if (path === 'config.json') {
      response.end('{"api_base":""}');
    } else {
      readFile(join(folder, normalize(`/${path}`))).then(
        (bytes) => {
          response.setHeader('content-type', TYPES[extname(path)] ?? 'text/plain');
          response.end(bytes);
        },
        () => response.writeHead(404).end(),
      );
    }
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', greet);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${portOf(server)}/portal/chat/?instance_id=oc-bench`,
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  return address.port;
}

function session(server: Server): object {
  return {
    ws_url: `ws://127.0.0.1:${portOf(server)}/oc-ws/oc-bench`,
    token: 'none',
    instance: { id: 'oc-bench', name: 'Bench', starters: [] },
  };
}

interface Request {
  readonly id: string;
  readonly method: string;
  readonly params: { readonly message?: string; readonly idempotencyKey?: string };
}

function greet(socket: WebSocket): void {
  const send = (frame: object) => socket.send(JSON.stringify(frame));
  send({ type: 'event', event: 'connect.challenge', payload: { nonce: 'n' } });
  socket.on('message', (data) => {
    const request: Request = JSON.parse(Buffer.isBuffer(data) ? data.toString() : '{}');
    send({ type: 'res', id: request.id, ok: true, payload: replyTo(request) });
    if (request.method === 'chat.send') stream(request, send);
  });
}

function replyTo({ method, params }: Request): object {
  switch (method) {
    case 'connect':
      return {
        server: { connId: 'bench' },
        features: { methods: [] },
        snapshot: { sessionDefaults: { mainSessionKey: 'bench', modelConfigured: true } },
        policy: { maxPayload: 1_000_000, tickIntervalMs: 3_600_000 },
      };
    case 'chat.send':
      return { runId: params.idempotencyKey, status: 'started', messageSeq: 1 };
    case 'sessions.subscribe':
      return { list: { sessions: [] } };
    default:
      return { messages: [], models: [] };
  }
}

/** As many tokens as the clock asks for: a late timer sends what it owes. */
function stream({ params }: Request, send: (frame: object) => void): void {
  const kind = KINDS.find((each) => each === params.message) ?? 'mixed';
  const tokens = tokensOf(kind);
  const ids = { runId: params.idempotencyKey, sessionKey: 'bench' };
  const startedAt = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.min(tokens.length, Math.floor((performance.now() - startedAt) / TOKEN_MS));
    for (; sent < due; sent += 1) {
      send(chat({ ...ids, state: 'delta', deltaText: tokens[sent] }));
    }
    if (sent < tokens.length) return;
    clearInterval(timer);
    send(chat({ ...ids, state: 'final', message: finalRow(tokens.join('')) }));
  }, TOKEN_MS);
}

function chat(payload: object): object {
  return { type: 'event', event: 'chat', payload };
}

function finalRow(content: string): object {
  return { role: 'assistant', content, timestamp: Date.now(), __openclaw: { id: 'a1', seq: 2 } };
}
