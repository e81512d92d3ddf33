/** A small client of the gateway's protocol, as the proxy would forward one: for the terminal. */

import { WebSocket } from 'ws';

export interface ClientOptions {
  /** Of the gateway's processes; one of them serves this user. */
  urls: readonly string[];
  /** What to do then, as the end of a sentence. */
  ifNobodyListens: string;
  /** The headers that the proxy would add. */
  headers: Readonly<Record<string, string>>;
  version: string;
  /** Milliseconds that each process has to answer the upgrade. */
  patienceMs?: number;
  /** Events after the handshake. */
  onEvent: (event: string, payload: Readonly<Record<string, unknown>>) => void;
  /** The socket ended after it was connected. */
  onClose: (code: number, reason: string) => void;
}

export interface Client {
  /** The process that let this user in. */
  url: string;
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
  error?: { message: string; details?: unknown };
  event?: string;
}

interface Pending {
  resolve(payload: unknown): void;
  reject(error: Error): void;
}

/** A process that is gone or busy answers at once; one that hangs is not waited for. */
const PATIENCE_MS = 5_000;

/** Not this process of the gateway: it is not there, or leaves the user to another. The next one may let the same user in. */
class NotHereError extends Error {
  readonly isListening: boolean;

  constructor(why: string, isListening: boolean) {
    super(why);
    this.isListening = isListening;
  }
}

/**
 * Shakes hands with the first process that takes this user, asking each once and in turn, as the proxy does. Rejects with a
 * sentence that says what to do.
 */
export async function connect(options: ClientOptions): Promise<Client> {
  const refusals: NotHereError[] = [];
  for (const url of options.urls) {
    try {
      return await connectTo(url, options);
    } catch (error) {
      if (!(error instanceof NotHereError)) throw error;
      refusals.push(error);
    }
  }
  throw new Error(explainRefusals(options, refusals));
}

function connectTo(url: string, options: ClientOptions): Promise<Client> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, {
      headers: { ...options.headers },
      handshakeTimeout: options.patienceMs ?? PATIENCE_MS,
    });
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
        url,
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
        else waiting?.reject(new Error(refusalIn(frame)));
      } else if (frame.event === 'connect.challenge') {
        shakeHands().catch(reject);
      } else {
        options.onEvent(frame.event ?? '', recordOf(frame.payload));
      }
    });
    socket.on('unexpected-response', (_request, response) => {
      reject(refusalOf(response.statusCode ?? 0));
      socket.terminate();
    });
    socket.on('error', (error) => reject(unreachable(error)));
    socket.on('close', (code, reason) => {
      const why = String(reason);
      for (const { reject: fail } of pending.values()) fail(new Error(`connection closed: ${why}`));
      pending.clear();
      if (connected) options.onClose(code, why);
      else reject(new Error(`the gateway closed the connection: ${code} ${why}`));
    });
  });
}

/** With the rule that refused, where there is one: the message alone says "unauthorized". */
function refusalIn({ error }: ServerFrame): string {
  const { authReason } = recordOf(error?.details);
  const message = error?.message ?? 'refused';
  return typeof authReason === 'string' ? `${message} (${authReason})` : message;
}

function mainSessionKeyOf(hello: unknown): string {
  const { sessionDefaults } = recordOf(recordOf(hello)['snapshot']);
  const { mainSessionKey } = recordOf(sessionDefaults);
  return typeof mainSessionKey === 'string' ? mainSessionKey : 'main';
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function refusalOf(status: number): Error {
  if (status === 503) return new NotHereError('HTTP 503', true);
  if (status === 403) {
    return new Error(
      'the gateway refuses connections from this machine (HTTP 403): ' +
        'list 127.0.0.1 in gateway.trustedProxies and set gateway.auth.trustedProxy.allowLoopback.',
    );
  }
  return new Error(`this is no gateway: it answered with HTTP ${status}.`);
}

function unreachable(error: Error): Error {
  // Of a name that nobody knows another try says nothing new.
  if ('syscall' in error && error.syscall === 'getaddrinfo') {
    return new Error(`the host of the address is not known (${error.message}).`);
  }
  const isRefused = 'code' in error && error.code === 'ECONNREFUSED';
  return isRefused
    ? new NotHereError('nothing listens', false)
    : new NotHereError(error.message, true);
}

function explainRefusals(
  { urls, ifNobodyListens }: ClientOptions,
  refusals: readonly NotHereError[],
): string {
  if (!refusals.some(({ isListening }) => isListening)) {
    return `nothing listens at ${urls.join(', ')}; ${ifNobodyListens}.`;
  }
  const answers = urls.map((url, n) => `${url}: ${refusals[n]?.message}`).join(', ');
  return (
    `no process of the gateway lets this user in now (${answers}). It is starting or shutting down, or ` +
    'another process serves this user or is about to; try again.'
  );
}
