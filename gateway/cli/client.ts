/** A small client of the gateway's protocol, as the proxy would forward one: for the terminal. */

import { WebSocket } from 'ws';

export interface ClientOptions {
  url: string;
  /** The headers that the proxy would add. */
  headers: Readonly<Record<string, string>>;
  version: string;
  /** Events after the handshake. */
  onEvent: (event: string, payload: Readonly<Record<string, unknown>>) => void;
  /** The socket ended after it was connected. */
  onClose: (code: number, reason: string) => void;
}

export interface Client {
  mainSessionKey: string;
  /** Rejects with a sentence for people if the gateway refuses. */
  request(method: string, params: object): Promise<unknown>;
  close(): void;
}

/** What this gateway sends; see docs/protocol.md. */
interface ServerFrame {
  type: 'res' | 'event';
  id?: string;
  ok?: boolean;
  payload?: unknown;
  error?: { message: string };
  event?: string;
}

interface Pending {
  resolve(payload: unknown): void;
  reject(error: Error): void;
}

/** Connects and shakes hands. Rejects with a sentence that says what to do. */
export function connect(options: ClientOptions): Promise<Client> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(options.url, { headers: { ...options.headers } });
    const pending = new Map<string, Pending>();
    let connected = false;
    let lastId = 0;

    const request: Client['request'] = (method, params) =>
      new Promise((done, failed) => {
        const id = String(++lastId);
        pending.set(id, { resolve: done, reject: failed });
        socket.send(JSON.stringify({ type: 'req', id, method, params }));
      });

    async function shakeHands(): Promise<void> {
      const hello = await request('connect', {
        minProtocol: 4,
        maxProtocol: 4,
        client: { id: 'cli', version: options.version, platform: process.platform, mode: 'cli' },
        role: 'operator',
      });
      connected = true;
      resolve({
        mainSessionKey: mainSessionKeyOf(hello),
        request,
        close: () => socket.close(1000),
      });
    }

    socket.on('message', (data) => {
      // A peer that is no gateway fails at the handshake, not here.
      const frame: ServerFrame = JSON.parse(Buffer.isBuffer(data) ? data.toString('utf8') : '{}');
      if (frame.type === 'res') {
        const waiting = pending.get(frame.id ?? '');
        pending.delete(frame.id ?? '');
        if (frame.ok) waiting?.resolve(frame.payload);
        else waiting?.reject(new Error(frame.error?.message ?? 'refused'));
      } else if (frame.event === 'connect.challenge') {
        shakeHands().catch(reject);
      } else {
        options.onEvent(frame.event ?? '', recordOf(frame.payload));
      }
    });
    socket.on('unexpected-response', (_request, response) => {
      reject(new Error(explainStatus(response.statusCode ?? 0)));
      socket.terminate();
    });
    socket.on('error', (error) => reject(new Error(explainError(error, options.url))));
    socket.on('close', (code, reason) => {
      const why = String(reason);
      for (const { reject: fail } of pending.values()) fail(new Error(`connection closed: ${why}`));
      pending.clear();
      if (connected) options.onClose(code, why);
      else reject(new Error(`the gateway closed the connection: ${code} ${why}`));
    });
  });
}

function mainSessionKeyOf(hello: unknown): string {
  const { sessionDefaults } = recordOf(recordOf(hello)['snapshot']);
  const { mainSessionKey } = recordOf(sessionDefaults);
  return typeof mainSessionKey === 'string' ? mainSessionKey : 'main';
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function explainStatus(status: number): string {
  if (status === 403) {
    return (
      'the gateway refuses connections from this machine (HTTP 403): ' +
      'list 127.0.0.1 in gateway.trustedProxies and set gateway.auth.trustedProxy.allowLoopback.'
    );
  }
  if (status === 503) return 'the gateway is starting or shutting down (HTTP 503); try again.';
  return `this is no gateway: it answered with HTTP ${status}.`;
}

function explainError(error: Error, url: string): string {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ECONNREFUSED') {
    return `nothing listens at ${url}; start the gateway with "npm start" or name its port with --port.`;
  }
  return error.message;
}
