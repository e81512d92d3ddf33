/**
 * A real HTTP server on a free port that misbehaves on purpose. It knows no API: openai.ts and its
 * neighbours put the bytes into it. A `Script` says how one request is answered; it is chosen by
 *
 *   1. `when(match, script)`: the first whose match accepts the request (for as long as it stands),
 *   2. `script(a, b, …)`: the queue, one script per request that no `when` accepted,
 *   3. the fallback given to `startUpstream`.
 *
 * So a test in the same process can queue what it expects, and a test whose gateway is another
 * process can choose by what the user said or by the model. Nothing here sleeps unless a script
 * says `pause`; a stall is a `gate()` that the test opens, or never does.
 */

import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

export interface RecordedRequest {
  method: string;
  /** Path with query. */
  path: string;
  headers: IncomingHttpHeaders;
  /** Parsed JSON; undefined if it was none. */
  body: unknown;
  bodyText: string;
  /**
   * Resolves when the exchange is over: `finished` if the whole reply was sent, `dropped` if the
   * client closed the connection before, `cut` if the script did.
   */
  closed: Promise<'finished' | 'dropped' | 'cut'>;
  /** Number of the connection that it came over, from 1: tells whether connections are reused. */
  connection: number;
}

/** Something that a reply waits for. */
export interface Gate {
  promise: Promise<void>;
  open(): void;
}

export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { promise, open: resolve };
}

/**
 * One step of a body. Text and bytes are written as one piece, and the next piece leaves only after
 * the client has had its turn to read it. A promise holds the reply up until it resolves.
 */
export type Piece =
  | string
  | Uint8Array
  | Promise<unknown>
  | { pause: number }
  /** Destroys the connection in the middle of the reply. */
  | { cut: true };

export const CUT: Piece = { cut: true };

/** Holds the reply up for `ms` milliseconds: for a pace, never for synchronisation. */
export function pause(ms: number): Piece {
  return { pause: ms };
}

/**
 * Lets what is on its way between client and server of this process arrive: both live on one event
 * loop, and loopback holds nothing back, so a handful of its turns carries everything over.
 */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
}

export interface Reply {
  /** 200 by default. */
  status?: number;
  headers?: Readonly<Record<string, string>>;
  /** Held up before the headers leave. */
  before?: Promise<unknown>;
  /** Closes the connection instead of answering. */
  refuse?: boolean;
  /** Read anew for each request that the reply answers. */
  body: Iterable<Piece>;
}

export type Script = Reply | ((request: RecordedRequest) => Reply);
export type Match = (request: RecordedRequest) => boolean;

export interface Upstream {
  /** `http://127.0.0.1:<port>`, without a path. */
  url: string;
  /** Every request, in order of arrival. */
  requests: readonly RecordedRequest[];
  /** Resolves with the `index`th request (from 0) once it is here. */
  request(index: number): Promise<RecordedRequest>;
  /** Drops what is recorded: for runs of many minutes. */
  forget(): void;
  /** Queues scripts, one for each request to come. */
  script(...scripts: Script[]): void;
  /** Answers all matching requests with this script. */
  when(match: Match, script: Script): void;
  /** TCP connections that are open now, idle ones included. */
  openConnections(): number;
  /** Resolves when no connection is open. */
  allClosed(): Promise<void>;
  /** Cuts what is open and stops listening. */
  close(): Promise<void>;
}

export async function startUpstream(fallback: Script): Promise<Upstream> {
  const requests: RecordedRequest[] = [];
  const queue: Script[] = [];
  const rules: { match: Match; script: Script }[] = [];
  const arrivals = new Map<number, (request: RecordedRequest) => void>();
  const connections = createConnections();

  const choose = (request: RecordedRequest): Reply => {
    const rule = rules.find(({ match }) => match(request));
    const script = rule?.script ?? queue.shift() ?? fallback;
    return typeof script === 'function' ? script(request) : script;
  };

  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    const end = Promise.withResolvers<'finished' | 'dropped' | 'cut'>();
    response.once('close', () => {
      end.resolve(response.writableFinished ? 'finished' : 'dropped');
    });
    // A client may leave in the middle of its request; that too is an end.
    incoming.on('error', () => {});
    response.on('error', () => {});
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const bodyText = Buffer.concat(chunks).toString();
      const request: RecordedRequest = {
        method: incoming.method ?? '',
        path: incoming.url ?? '',
        headers: incoming.headers,
        body: parse(bodyText),
        bodyText,
        closed: end.promise,
        connection: connections.number(incoming.socket),
      };
      requests.push(request);
      arrivals.get(requests.length - 1)?.(request);
      const onCut = () => end.resolve('cut');
      play(choose(request), response, end.promise, onCut).catch((error: unknown) => {
        // A mistake in a test's script must not look like a fault of the upstream.
        process.emitWarning(error instanceof Error ? error : String(error));
        response.destroy();
      });
    });
  });
  server.on('connection', (socket) => connections.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');

  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    request(index) {
      const arrived = requests[index];
      if (arrived) return Promise.resolve(arrived);
      return new Promise((resolve) => arrivals.set(index, resolve));
    },
    forget: () => void requests.splice(0),
    script: (...scripts) => void queue.push(...scripts),
    when: (match, script) => void rules.push({ match, script }),
    openConnections: () => connections.count(),
    allClosed: () => connections.allClosed(),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function createConnections() {
  const open = new Set<Socket>();
  const numbers = new WeakMap<Socket, number>();
  let total = 0;
  let waiting: (() => void)[] = [];
  return {
    add(socket: Socket) {
      open.add(socket);
      total += 1;
      numbers.set(socket, total);
      socket.once('close', () => {
        open.delete(socket);
        if (open.size > 0) return;
        for (const resolve of waiting) resolve();
        waiting = [];
      });
    },
    number: (socket: Socket) => numbers.get(socket) ?? 0,
    count: () => open.size,
    allClosed: () =>
      open.size === 0
        ? Promise.resolve()
        : new Promise<void>((resolve) => void waiting.push(resolve)),
  };
}

/** Sends a reply piece by piece, for as long as the client is there. */
async function play(
  reply: Reply,
  response: ServerResponse,
  over: Promise<unknown>,
  onCut: () => void,
): Promise<void> {
  // Read through functions: it changes while we await, which flow analysis does not see.
  const gone = () => response.destroyed;
  const cut = () => {
    onCut();
    response.destroy();
  };
  if (reply.before) await Promise.race([reply.before, over]);
  if (gone()) return;
  if (reply.refuse) {
    cut();
    return;
  }
  response.writeHead(reply.status ?? 200, reply.headers);
  response.flushHeaders();
  for (const piece of reply.body) {
    if (typeof piece === 'string' || piece instanceof Uint8Array)
      await write(response, piece, over);
    else if (piece instanceof Promise) await Promise.race([piece, over]);
    else if ('pause' in piece) await Promise.race([sleep(piece.pause), over]);
    else cut();
    if (gone()) return;
  }
  response.end();
}

/** Resolves when the piece is on its way and a reader in this process has had a turn to see it alone. */
async function write(
  response: ServerResponse,
  piece: string | Uint8Array,
  over: Promise<unknown>,
): Promise<void> {
  if (piece.length === 0) return;
  const sent = new Promise<void>((resolve) => response.write(piece, () => resolve()));
  await Promise.race([sent, over]);
  await nextTurn();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
