/** A user of the gateway: connects as nginx would forward it, shakes hands, asks, hears events. */

import { randomUUID } from 'node:crypto';
import { ORIGIN } from '../gateway-process.ts';
import { openSocket } from './web-socket.ts';

/** What a server sends, as far as it matters here. */
export interface Frame {
  type: 'res' | 'event';
  id?: string;
  ok?: boolean;
  error?: { message: string };
  event?: string;
  seq?: number;
  payload: {
    runId?: string;
    sessionKey?: string;
    agentId?: string;
    seq?: number;
    state?: string;
    deltaText?: string;
    replace?: boolean;
    errorMessage?: string;
    messages?: object[];
    sessions?: object[];
  };
}

export interface Client {
  /** Resolves with the response. Rejects if it is an error or the socket is lost. */
  request(method: string, params: object): Promise<Frame>;
  bytesRead(): number;
  close(): void;
}

/** As what it comes. */
export interface ClientKind {
  headers: Readonly<Record<string, string>>;
  /** What `connect` says beside the versions. */
  connect: object;
}

export interface ClientOptions {
  port: number;
  /** Default: a new one. */
  userId?: string;
  /** Default: a chat page that comes through the proxy. */
  kind?: ClientKind;
  onEvent?: (frame: Frame) => void;
  /** Once connected: gets every frame unread, and nobody else gets it. For those who only count. */
  onText?: (text: string) => void;
  onLost?: (error: Error) => void;
}

const VERSIONS = { minProtocol: 4, maxProtocol: 4 };

const CHAT_PAGE = {
  client: { id: 'webchat', version: '1', platform: 'bench', mode: 'webchat' },
  role: 'operator',
};

function chatPage(userId: string): ClientKind {
  return { headers: { Origin: ORIGIN, 'X-User-ID': userId }, connect: CHAT_PAGE };
}

/** Resolves after hello-ok. */
export function openClient(options: ClientOptions): Promise<Client> {
  const { port, onEvent, onLost } = options;
  const { promise: connected, resolve, reject } = Promise.withResolvers<Client>();
  const waiting = new Map<string, PromiseWithResolvers<Frame>>();
  let lastId = 0;
  let isConnected = false;
  const kind = options.kind ?? chatPage(options.userId ?? randomUUID());

  const request = (method: string, params: object) => {
    const answer = Promise.withResolvers<Frame>();
    const id = String(++lastId);
    waiting.set(id, answer);
    socket.send(JSON.stringify({ type: 'req', id, method, params }));
    return answer.promise;
  };
  const socket = openSocket(port, kind.headers, {
    text(text) {
      if (isConnected && options.onText) return options.onText(text);
      // Anything else than a gateway's frame is an error of the benchmark and shows as one.
      const frame: Frame = JSON.parse(text);
      if (frame.type === 'res') return respond(waiting, frame);
      if (frame.event !== 'connect.challenge') return onEvent?.(frame);
      request('connect', { ...VERSIONS, ...kind.connect }).then(() => {
        isConnected = true;
        resolve(client);
      }, reject);
    },
    lost(reason) {
      const error = new Error(`the socket was lost: ${reason}`);
      for (const each of waiting.values()) each.reject(error);
      waiting.clear();
      reject(error);
      onLost?.(error);
    },
  });
  const { bytesRead, destroy: close } = socket;
  const client: Client = { request, bytesRead, close };
  return connected;
}

function respond(waiting: Map<string, PromiseWithResolvers<Frame>>, frame: Frame): void {
  const answer = waiting.get(frame.id ?? '');
  waiting.delete(frame.id ?? '');
  if (frame.ok) answer?.resolve(frame);
  else answer?.reject(new Error(frame.error?.message ?? 'refused'));
}
