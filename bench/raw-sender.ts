/**
 * The least that a frame to many sockets can cost here: one string, made once, handed to each of
 * them at the pace that is ordered. It reads no upstream and knows just enough of the protocol for
 * the load generator to take it for a gateway.
 */

import { App, type us_listen_socket, us_socket_local_port, type WebSocket } from 'uWebSockets.js';
import { now } from './clock.ts';
import { toOrder } from './order.ts';
import { announceReady } from './remote.ts';
import { stampedToken } from './token.ts';

interface Request {
  id: string;
  method: string;
  params: { message: string; sessionKey: string; idempotencyKey: string };
}

const sockets = new Set<WebSocket<object>>();
let timer: NodeJS.Timeout | undefined;

function sendAll(frame: string): void {
  for (const socket of sockets) socket.send(frame);
}

function speak({ message, sessionKey, idempotencyKey: runId }: Request['params']): void {
  const ids = JSON.stringify({ runId, sessionKey, agentId: 'main' }).slice(0, -1);
  const head = `{"type":"event","event":"chat","payload":${ids},"state":"delta","seq":`;
  let seq = 0;
  timer = setInterval(() => {
    seq += 1;
    sendAll(`${head}${seq},"deltaText":${JSON.stringify(stampedToken(now()))}},"seq":${seq}}`);
  }, toOrder(message)?.everyMs);
}

function serve(socket: WebSocket<object>, { id, method, params }: Request): void {
  socket.send(`{"type":"res","id":"${id}","ok":true,"payload":{}}`);
  if (method === 'chat.send') speak(params);
  if (method !== 'chat.abort') return;
  clearInterval(timer);
  sendAll('{"type":"event","event":"chat","payload":{"state":"aborted"}}');
}

App()
  .ws<object>('/*', {
    maxPayloadLength: 1024 * 1024,
    maxBackpressure: 0,
    open(socket) {
      sockets.add(socket);
      socket.send('{"type":"event","event":"connect.challenge","payload":{}}');
    },
    message(socket, message) {
      // Only the load generator connects here: what it sends has this shape.
      const request: Request = JSON.parse(Buffer.from(message).toString('utf8'));
      serve(socket, request);
    },
    close: (socket) => void sockets.delete(socket),
  })
  .listen('127.0.0.1', 0, (token: us_listen_socket | false) => {
    if (!token) throw new Error('the raw sender cannot listen');
    announceReady(us_socket_local_port(token));
  });
