/**
 * What `OPENCLAW_BIN` may name, for a test: it reads the configuration, listens where it is told to,
 * and repeats the whole answer in each delta, as OpenClaw does. `gateway --port <n>`.
 */

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type WebSocket, WebSocketServer } from 'ws';
import { readLean } from '../../bench/relay/lean-reader.ts';

interface Config {
  gateway: { auth: { token: string } };
  models: { providers: { bench: { baseUrl: string } } };
}

interface Request {
  id: string;
  method: string;
  params: { message: string; idempotencyKey: string; auth?: { token: string } };
}

const { values } = parseArgs({ options: { port: { type: 'string' } }, allowPositionals: true });
const config: Config = JSON.parse(readFileSync(process.env['OPENCLAW_CONFIG_PATH'] ?? '', 'utf8'));
const read = readLean(Number(new URL(config.models.providers.bench.baseUrl).port));

function serve(socket: WebSocket, { id, method, params }: Request): void {
  const send = (frame: object) => socket.send(JSON.stringify(frame));
  const chat = (payload: object) => send({ type: 'event', event: 'chat', payload });
  const ok = method !== 'connect' || params.auth?.token === config.gateway.auth.token;
  send({ type: 'res', id, ok, ...(!ok && { error: { message: 'unauthorized' } }) });
  if (method !== 'chat.send') return;
  let text = '';
  read(params.message, new AbortController().signal, (deltaText) => {
    text += deltaText;
    chat({ state: 'delta', deltaText, message: { role: 'assistant', content: text } });
  })
    .then(() => chat({ state: 'final' }))
    .catch((error: unknown) => socket.close(1011, String(error)));
}

new WebSocketServer({ host: '127.0.0.1', port: Number(values.port) }).on('connection', (socket) => {
  socket.send(JSON.stringify({ type: 'event', event: 'connect.challenge', payload: {} }));
  socket.on('message', (data) => serve(socket, JSON.parse(String(data))));
});
