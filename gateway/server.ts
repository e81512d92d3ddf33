/**
 * The network: the only file that knows uWebSockets.js. It turns upgrades into facts, sockets into
 * `Socket`s, and answers the two health paths; what any of it means is decided elsewhere.
 */

import {
  App,
  type HttpRequest,
  type HttpResponse,
  type us_listen_socket,
  us_listen_socket_close,
  type us_socket_context_t,
  us_socket_local_port,
  type WebSocket,
} from 'uWebSockets.js';
import { askWhy, cannotListen } from '../deploy/command-line/listen-failure.ts';
import type { Socket } from './connection.ts';
import type { Header } from './trust/headers.ts';
import type { UpgradeFacts } from './trust/judge.ts';

declare module 'uWebSockets.js' {
  interface TemplatedApp {
    /** The library takes options behind host and port; its types leave this form out. */
    listen(
      host: string,
      port: number,
      options: number,
      callback: (token: us_listen_socket | false) => void,
    ): TemplatedApp;
  }
}

/** What the server calls as a socket lives. */
export interface SocketHandler {
  opened(): void;
  received(text: string | undefined, bytes: number): void;
  /** The peer answered a ping, or sent one. */
  alive(): void;
  drained(): void;
  closed(code: number): void;
}

export interface HttpAnswer {
  status: number;
  body: object;
}

export interface ServerOptions {
  /** Address to bind; `0.0.0.0` or `::` for all interfaces. */
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** Bytes of the largest frame that our own limit, not the library's, refuses. */
  maxPayloadBytes: number;
  /** A peer that neither sends nor answers pings for this long is gone (seconds, 8–960). */
  idleSeconds: number;
  /**
   * Whether to keep a new connection, the last of `waiting` that have not become a WebSocket. The library gives each
   * of them ten seconds for its headers, and does not count them.
   */
  keeps(waiting: number, peer: () => string): boolean;
  /** Either an HTTP refusal, or what makes the socket's handler once the socket is there. */
  upgrade(facts: UpgradeFacts): HttpAnswer | ((socket: Socket) => SocketHandler);
  health(): HttpAnswer;
  ready(): HttpAnswer;
}

export interface Server {
  readonly host: string;
  readonly port: number;
  /** Takes no new connections; live ones stay. */
  stopListening(): void;
  /** Cuts what is left. */
  close(): void;
}

interface SocketData {
  attach: (socket: Socket) => SocketHandler;
  socket?: UwsSocket;
  handler?: SocketHandler;
}

/**
 * Above our own limits, so that a frame that is too large gets a close code instead of a cut. Twice
 * the most that `limits.preConnectBytes` can be, which may itself be above `limits.maxPayloadBytes`.
 */
const PAYLOAD_HEADROOM_BYTES = 2 * 1024 * 1024;

const STATUS_TEXT: Readonly<Record<number, string>> = {
  200: '200 OK',
  403: '403 Forbidden',
  404: '404 Not Found',
  503: '503 Service Unavailable',
};

/**
 * `LIBUS_LISTEN_EXCLUSIVE_PORT`, which the types leave out as a value. Without it two processes would
 * share one port without a word, and users would meet either.
 */
const EXCLUSIVE_PORT = 1;

const ADDRESS_KEYS = { host: 'gateway.bind', port: 'gateway.port' };

/** Rejects with what to do if the address cannot be bound. */
export async function listen(options: ServerOptions): Promise<Server> {
  const app = App();
  let waiting = 0;
  app.filter((res, change) => {
    waiting += change;
    if (change > 0 && !options.keeps(waiting, () => peerOf(res))) res.close();
  });
  app.ws<SocketData>('/*', {
    maxPayloadLength: options.maxPayloadBytes + PAYLOAD_HEADROOM_BYTES,
    // No limit of the library's: beyond it, messages would be dropped without a word.
    maxBackpressure: 0,
    idleTimeout: options.idleSeconds,
    sendPingsAutomatically: true,
    upgrade(res, req, context) {
      // The filter is told when an HTTP connection ends, and not when it becomes a WebSocket.
      if (upgrade(options, res, req, context)) waiting -= 1;
    },
    open(ws) {
      const data = ws.getUserData();
      data.socket = new UwsSocket(ws);
      data.handler = data.attach(data.socket);
      data.handler.opened();
    },
    message(ws, message, isBinary) {
      // The buffer is gone after this call: it is copied into a string here.
      const text = isBinary ? undefined : Buffer.from(message).toString('utf8');
      ws.getUserData().handler?.received(text, message.byteLength);
    },
    ping: (ws) => ws.getUserData().handler?.alive(),
    pong: (ws) => ws.getUserData().handler?.alive(),
    drain: (ws) => setImmediate(drained, ws),
    close(ws, code) {
      const { socket, handler } = ws.getUserData();
      socket?.gone();
      handler?.closed(code);
    },
  });
  app.get('/healthz', (res) => answer(res, options.health()));
  app.get('/readyz', (res) => answer(res, options.ready()));
  app.head('/healthz', (res) => answer(res, options.health(), true));
  app.head('/readyz', (res) => answer(res, options.ready(), true));
  app.any('/*', (res, req) => {
    const refusal = { status: 404, body: { error: 'not found' } };
    answer(res, refusal, req.getMethod() === 'head');
  });

  const { host, port } = options;
  const token = await new Promise<us_listen_socket | false>((resolve) => {
    app.listen(host, port, EXCLUSIVE_PORT, resolve);
  });
  if (token) return server(host, token, () => app.close());
  const wanted = { host, port, keys: ADDRESS_KEYS };
  throw cannotListen(wanted, await askWhy(wanted));
}

function server(host: string, token: us_listen_socket, close: () => void): Server {
  let listening = true;
  return {
    host,
    port: us_socket_local_port(token),
    stopListening() {
      if (listening) us_listen_socket_close(token);
      listening = false;
    },
    close,
  };
}

/**
 * Called in a turn of its own: what is sent from within the library's callback, and does not fit the
 * network at once, would never leave. The library also calls when only part of the buffer is gone.
 */
function drained(ws: WebSocket<SocketData>): void {
  const { socket, handler } = ws.getUserData();
  if (socket?.isDrained()) handler?.drained();
}

/** A class, and not five closures: ten thousand of them are alive at once. */
class UwsSocket implements Socket {
  /** Undefined when it is closed: a call on it would throw. */
  #ws: WebSocket<SocketData> | undefined;

  constructor(ws: WebSocket<SocketData>) {
    this.#ws = ws;
  }

  gone(): void {
    this.#ws = undefined;
  }

  isDrained(): boolean {
    return this.#ws?.getBufferedAmount() === 0;
  }

  send(frame: string | Uint8Array): 'sent' | 'buffered' | 'gone' {
    if (!this.#ws) return 'gone';
    // 0: part of it waits in the library's buffer; 2 (dropped) cannot be without a limit.
    return this.#ws.send(frame, false) === 0 ? 'buffered' : 'sent';
  }

  end(code: number, reason: string): void {
    this.#ws?.end(code, reason);
  }

  ping(): void {
    this.#ws?.ping();
  }

  together(work: () => void): void {
    this.#ws?.cork(work);
  }

  cut(): void {
    this.#ws?.close();
  }

  bufferedBytes(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }
}

/** The peer of the TCP connection; a PROXY protocol header could be forged by anyone. */
function peerOf(res: HttpResponse): string {
  return Buffer.from(res.getRemoteAddressAsText()).toString('latin1');
}

/**
 * Whether it became a WebSocket. Everything is read here, synchronously: the request is gone when this returns. A throw would end
 * the process, so nothing here may: deciding is pure, and refusing is an answer.
 */
function upgrade(
  options: ServerOptions,
  res: HttpResponse,
  req: HttpRequest,
  context: us_socket_context_t,
): boolean {
  const headers: Header[] = [];
  req.forEach((name, value) => headers.push([name, value]));
  const verdict = options.upgrade({ peer: peerOf(res), headers });
  if (typeof verdict !== 'function') {
    answer(res, verdict);
    return false;
  }
  res.upgrade<SocketData>(
    { attach: verdict },
    req.getHeader('sec-websocket-key'),
    req.getHeader('sec-websocket-protocol'),
    req.getHeader('sec-websocket-extensions'),
    context,
  );
  return true;
}

/** An answer to HEAD must not have a body: the client would read it as the start of the next answer. */
function answer(res: HttpResponse, { status, body }: HttpAnswer, headOnly = false): void {
  res.cork(() => {
    res.writeStatus(STATUS_TEXT[status] ?? String(status));
    res.writeHeader('content-type', 'application/json');
    res.writeHeader('cache-control', 'no-store');
    // Given a length, the library throws here, and that would end the process.
    if (headOnly) res.endWithoutBody();
    else res.end(JSON.stringify(body));
  });
}
