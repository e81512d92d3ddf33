/**
 * The operator's listener: a port of its own, where the portal has a user's or an instance's sockets closed
 * when their right ends, and where an operator has everything of a user removed. Every request needs the token;
 * nothing here reads sessions.
 */

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StoreUnavailableError } from '../agents/sessions/store.ts';
import { cannotListen, listenCode } from '../deploy/command-line/listen-failure.ts';
import type { Logger } from './log.ts';
import { compileSecret } from './trust/secret.ts';

/** Whose sockets are meant; both together mean both at once. */
export interface SocketFilter {
  userId?: string;
  instanceId?: string;
}

export interface SocketCount {
  sockets: number;
  users: number;
}

/** What was removed of a user. */
export interface DeletedUser {
  sockets: number;
  sessions: number;
  messages: number;
}

export interface AdminOptions {
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** Read at each request, so that an edit takes effect at once; without one every request is refused. */
  token: () => string | undefined;
  /** The same for what the portal's token does not reach: without one, nothing does. */
  operatorToken: () => string | undefined;
  /** Closes what matches; how many that were. */
  closeSockets: (filter: SocketFilter) => number | Promise<number>;
  /** A user whose instances are on several workers counts once on each. */
  countSockets: () => SocketCount | Promise<SocketCount>;
  /** Removes everything of a user; resolves when nothing of it is left. */
  deleteUser: (userId: string) => Promise<DeletedUser>;
  log: Logger;
}

export interface Admin {
  readonly host: string;
  readonly port: number;
  close(): void;
}

/** Bytes of a request's body. */
const MAX_BODY_BYTES = 4_096;

/** Longest user or instance id. */
const MAX_ID_CHARS = 256;

/** Milliseconds that a request may take to arrive. */
const REQUEST_MS = 5_000;

interface Answer {
  status: number;
  body: object;
  headers?: Readonly<Record<string, string>>;
}

/** The portal holds one token, the operator another: a portal that was broken into destroys nothing. */
type Role = 'portal' | 'operator';

interface Path {
  methods: Readonly<
    Record<string, (request: IncomingMessage, options: AdminOptions) => Answer | Promise<Answer>>
  >;
  roles: readonly Role[];
}

const PATHS: ReadonlyMap<string, Path> = new Map([
  [
    '/v1/sockets',
    {
      methods: { GET: countSockets },
      roles: ['portal', 'operator'],
    },
  ],
  ['/v1/sockets/close', { methods: { POST: closeSockets }, roles: ['portal', 'operator'] }],
  ['/v1/users/delete', { methods: { POST: deleteUser }, roles: ['operator'] }],
] satisfies [string, Path][]);

const ADDRESS_KEYS = { host: 'gateway.admin.host', port: 'gateway.admin.port' };

/** Rejects with what to do if the address cannot be bound. */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  // An `import` of node:http would also load what it only lends, fetch among it: 20 ms and 10 MB at the start.
  const { createServer } = process.getBuiltinModule('node:http');
  const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS });
  server.on('request', (request, response) => {
    void answer(request, options)
      .catch((err: unknown) => {
        options.log.error({ event: 'admin_failed', err });
        return refusal(500, 'internal', "A bug; the gateway's log has the cause.");
      })
      .then((ready) => respond(response, ready));
  });
  server.listen(options.port, options.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { host, port } = options;
    throw cannotListen({ host, port, keys: ADDRESS_KEYS }, listenCode(error));
  }
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : options.port;
  return {
    host: options.host,
    port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answer(request: IncomingMessage, options: AdminOptions): Promise<Answer> {
  // First of all: without a token nobody learns what there is.
  const role = roleOf(request, options);
  if (!role) {
    options.log.warn({
      event: 'admin_refused',
      message: 'A request did not carry gateway.admin.token or operatorToken.',
      client_address: request.socket.remoteAddress,
    });
    return {
      ...refusal(401, 'unauthorized', 'Send "Authorization: Bearer <gateway.admin.token>".'),
      headers: { 'www-authenticate': 'Bearer' },
    };
  }
  const [name = ''] = (request.url ?? '').split('?', 1);
  const path = PATHS.get(name);
  if (!path) return refusal(404, 'not_found', 'There is no such path.');
  if (!path.roles.includes(role)) {
    return refusal(403, 'forbidden', 'This path takes gateway.admin.operatorToken only.');
  }
  const method = new Map(Object.entries(path.methods)).get(request.method ?? '');
  if (!method) {
    const allow = Object.keys(path.methods).join(', ');
    const message = `This path takes ${allow} only.`;
    return { ...refusal(405, 'method_not_allowed', message), headers: { allow } };
  }
  return method(request, options);
}

function roleOf(request: IncomingMessage, options: AdminOptions): Role | undefined {
  const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (given === undefined) return undefined;
  const isFor = (token: string | undefined) => token !== undefined && compileSecret(token)(given);
  if (isFor(options.operatorToken())) return 'operator';
  return isFor(options.token()) ? 'portal' : undefined;
}

async function countSockets(_request: IncomingMessage, options: AdminOptions): Promise<Answer> {
  return { status: 200, body: await options.countSockets() };
}

async function closeSockets(request: IncomingMessage, options: AdminOptions): Promise<Answer> {
  const text = await readBody(request);
  if (text === undefined) return notWhole();
  const filter = readFilter(text);
  if (!filter) {
    const expected = 'The body must be {"userId"?: string, "instanceId"?: string}';
    const rest = `at least one of them, each of 1 to ${MAX_ID_CHARS} characters, nothing else.`;
    return refusal(400, 'bad_body', `${expected}, ${rest}`);
  }
  const closed = await options.closeSockets(filter);
  const { userId: user, instanceId: instance } = filter;
  options.log.info({ event: 'sockets_closed', user, instance, closed });
  return { status: 200, body: { closed } };
}

async function deleteUser(request: IncomingMessage, options: AdminOptions): Promise<Answer> {
  const text = await readBody(request);
  if (text === undefined) return notWhole();
  const { userId, instanceId } = readFilter(text) ?? {};
  if (userId === undefined || instanceId !== undefined) {
    const expected = `The body must be {"userId": string}, of 1 to ${MAX_ID_CHARS} characters`;
    return refusal(400, 'bad_body', `${expected}, nothing else.`);
  }
  try {
    const removed = await options.deleteUser(userId);
    options.log.info({ event: 'user_deleted', user: userId, ...removed });
    return { status: 200, body: removed };
  } catch (err) {
    if (!(err instanceof StoreUnavailableError)) throw err;
    options.log.error({ event: 'user_delete_failed', err });
    const message = 'The storage does not take writes now; some of it may be left. Try again.';
    return refusal(503, 'store_unavailable', message);
  }
}

function notWhole(): Answer {
  const message = `The body has over ${MAX_BODY_BYTES} bytes, or did not arrive whole.`;
  return { ...refusal(400, 'bad_body', message), headers: { connection: 'close' } };
}

/** Nothing if it is too long, or if the client went away in the middle. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      const piece = Buffer.from(chunk);
      bytes += piece.length;
      if (bytes > MAX_BODY_BYTES) return undefined;
      chunks.push(piece);
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** An unknown key is an error: with a misspelt one more would be closed than was meant. */
function readFilter(text: string): SocketFilter | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const filter: SocketFilter = {};
  for (const [key, id] of Object.entries(value)) {
    if (key !== 'userId' && key !== 'instanceId') return undefined;
    if (typeof id !== 'string' || id === '' || id.length > MAX_ID_CHARS) return undefined;
    filter[key] = id;
  }
  return Object.keys(filter).length > 0 ? filter : undefined;
}

function refusal(status: number, code: string, message: string): Answer {
  return { status, body: { error: { code, message } } };
}

function respond(response: ServerResponse, { status, body, headers }: Answer): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}
