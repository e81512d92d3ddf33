/**
 * The bare limit: a process that reads the same SSE stream as the gateway and sends the same frames,
 * with nothing in between: no trust, no store, no runs. It knows just enough of the protocol for
 * the load generator to take it for a gateway. `--reader sdk` reads with the openai SDK as it comes,
 * `--reader lean` with node:http and a parser of a dozen lines.
 */

import { App, type us_listen_socket, us_socket_local_port, type WebSocket } from 'uWebSockets.js';
import { parseArgs } from 'node:util';
import type { Read } from './relay/reader.ts';
import { announceReady } from './remote.ts';

const { values } = parseArgs({
  options: { upstream: { type: 'string' }, reader: { type: 'string' } },
});
const port = Number(values.upstream);
// Each loads only what it reads with: what it weighs is its own.
const read: Read =
  values.reader === 'lean'
    ? (await import('./relay/lean-reader.ts')).readLean(port)
    : (await import('./relay/sdk-reader.ts')).createSdkReader(port);

interface SocketData {
  seq: number;
  runs: Map<string, AbortController>;
}

interface Request {
  id: string;
  method: string;
  params: { message: string; sessionKey: string; idempotencyKey: string };
}

/** Runs that have something to send at the end of this turn of the event loop. */
let dirty: (() => void)[] = [];

function defer(flush: () => void): void {
  if (dirty.length === 0) {
    setImmediate(() => {
      const now = dirty;
      dirty = [];
      for (const each of now) each();
    });
  }
  dirty.push(flush);
}

async function relay(ws: WebSocket<SocketData>, { params }: Request): Promise<void> {
  const data = ws.getUserData();
  const abort = new AbortController();
  const { sessionKey, idempotencyKey: runId } = params;
  data.runs.set(sessionKey, abort);
  const ids = JSON.stringify({ runId, sessionKey, agentId: 'main' }).slice(0, -1);
  const head = `{"type":"event","event":"chat","payload":${ids}`;
  let seq = 0;
  let pending = '';
  const send = (fields: string) => {
    if (data.runs.get(sessionKey) !== abort) return;
    data.seq += 1;
    seq += 1;
    ws.send(`${head},${fields},"seq":${seq}},"seq":${data.seq}}`);
  };
  const flush = () => {
    const text = pending;
    pending = '';
    if (text !== '') send(`"state":"delta","deltaText":${JSON.stringify(text)}`);
  };
  await read(params.message, abort.signal, (text) => {
    if (pending === '') defer(flush);
    pending += text;
  });
  flush();
  send(`"state":"${abort.signal.aborted ? 'aborted' : 'final'}"`);
  data.runs.delete(sessionKey);
}

function serve(ws: WebSocket<SocketData>, request: Request): void {
  ws.send(`{"type":"res","id":"${request.id}","ok":true,"payload":{}}`);
  if (request.method === 'chat.abort')
    ws.getUserData().runs.get(request.params.sessionKey)?.abort();
  if (request.method !== 'chat.send') return;
  relay(ws, request).catch((error: unknown) => {
    console.error('relay:', error);
    process.exit(1);
  });
}

App()
  .ws<SocketData>('/*', {
    maxPayloadLength: 1024 * 1024,
    maxBackpressure: 0,
    upgrade(res, req, context) {
      res.upgrade<SocketData>(
        { seq: 0, runs: new Map() },
        req.getHeader('sec-websocket-key'),
        req.getHeader('sec-websocket-protocol'),
        req.getHeader('sec-websocket-extensions'),
        context,
      );
    },
    open: (ws) => void ws.send('{"type":"event","event":"connect.challenge","payload":{}}'),
    message(ws, message) {
      // Only the load generator connects here: what it sends has this shape.
      const request: Request = JSON.parse(Buffer.from(message).toString('utf8'));
      serve(ws, request);
    },
    close(ws) {
      const { runs } = ws.getUserData();
      for (const [key, run] of runs) {
        runs.delete(key);
        run.abort();
      }
    },
  })
  .listen('127.0.0.1', 0, (token: us_listen_socket | false) => {
    if (!token) throw new Error('the relay cannot listen');
    announceReady(us_socket_local_port(token));
  });
