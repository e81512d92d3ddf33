/** A handshake at the edge, from its first line to the end of its socket, in the order of the rendered nginx. */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { NginxValues } from '../nginx/values.ts';
import type { RefusedStatus } from './close-codes.ts';
import { admit, routeOf } from './judge.ts';
import { type CountLimit, createCountLimit, createRateLimit, type RateLimit } from './limits.ts';
import { type TunnelEnd, tunnel } from './tunnel.ts';
import { verify } from './verify.ts';

/** How a handshake ended: by an HTTP status, by a close with a reason, or as a socket that has closed since. */
export type HandshakeEnd =
  | { readonly plain: number }
  | { readonly refused: RefusedStatus; readonly word?: string | undefined; readonly user?: string }
  | { readonly closed: true; readonly user: string };

export interface Gates {
  readonly handshakes: RateLimit;
  readonly api: RateLimit;
  readonly user: CountLimit;
  readonly address: CountLimit;
}

export function createGates({ limits }: NginxValues, now: () => number): Gates {
  return {
    handshakes: createRateLimit(
      { perSecond: limits.handshakesPerSecond, burst: limits.handshakeBurst },
      now,
    ),
    api: createRateLimit({ perSecond: limits.apiPerSecond, burst: limits.apiBurst }, now),
    user: createCountLimit(limits.socketsPerUser),
    address: createCountLimit(limits.socketsPerAddress),
  };
}

export interface Arrival {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly requestId: string;
}

/** Never rejects. Unless it is `closed`, the socket is untouched and waits for its answer. */
export async function handshake(
  values: NginxValues,
  backends: ReadonlyMap<string, string>,
  gates: Gates,
  arrival: Arrival,
): Promise<HandshakeEnd> {
  const { request, requestId } = arrival;
  const route = routeOf(values, request);
  // What asks for another protocol at a path that is no socket's is told that there is none.
  if (route.kind !== 'socket') return { plain: route.kind === 'plain' ? route.status : 404 };
  const admission = admit(values, backends, request, route);
  if (admission.kind === 'plain') return { plain: admission.status };
  const clientAddress = addressOf(request);
  if (!gates.handshakes.take(clientAddress)) return { refused: 429 };
  if (admission.kind === 'refused') return { refused: admission.status, word: admission.word };

  const verdict = await verify({
    portal: values.portal,
    secret: values.internalSecret,
    timeoutMs: values.timeouts.verifyMs,
    token: admission.token,
    instance: route.instance,
    clientAddress,
    requestId,
  });
  if (!verdict.ok) return { refused: verdict.status, word: verdict.word };
  const { user } = verdict;
  const leave = enter(gates, user, clientAddress);
  if (!leave) return { refused: 429, user };
  const identity = { user, instance: route.instance, sessionKey: verdict.sessionKey };
  const end = await carry(values, arrival, admission.backend, identity);
  leave();
  return end.failed === undefined ? { closed: true, user } : { refused: end.failed, user };
}

/** A place among the user's sockets and one among the address's, or none of both. */
function enter(gates: Gates, user: string, address: string): (() => void) | undefined {
  const leaveUser = gates.user.enter(user);
  if (!leaveUser) return undefined;
  const leaveAddress = gates.address.enter(address);
  if (!leaveAddress) {
    leaveUser();
    return undefined;
  }
  return () => {
    leaveUser();
    leaveAddress();
  };
}

async function carry(
  values: NginxValues,
  { request, socket, head, requestId }: Arrival,
  backend: string,
  identity: { user: string; instance: string; sessionKey: string },
): Promise<TunnelEnd> {
  const options = {
    connectMs: values.timeouts.gatewayConnectMs,
    readMs: values.timeouts.readMs,
    headers: {
      'X-User-ID': identity.user,
      'X-Instance-ID': identity.instance,
      'X-Session-Key': identity.sessionKey,
      ...forwardingHeaders(values, request),
      'X-Request-ID': requestId,
      ...(values.gatewaySecret && { [values.gatewaySecret.header]: values.gatewaySecret.value }),
    },
  };
  const [first, ...others] = addressesIn(values, backend, identity.sessionKey);
  let end = await tunnel(request, socket, head, { ...options, backend: first });
  for (const address of others) {
    if (end.failed === undefined || !end.isElsewhere || socket.destroyed) break;
    end = await tunnel(request, socket, head, { ...options, backend: address });
  }
  return end;
}

/** A pool's members, the session's own first, so that all tabs of a session meet one process. */
function addressesIn(
  values: NginxValues,
  backend: string,
  sessionKey: string,
): readonly [string, ...string[]] {
  const pool = values.upstreams[backend] ?? [];
  let sum = 0;
  for (const char of sessionKey) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  const at = sum % pool.length;
  const [first = backend, ...others] = [...pool.slice(at), ...pool.slice(0, at)];
  return [first, ...others];
}

export function addressOf(request: IncomingMessage): string {
  return (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
}

/** What the edge itself knows of the client. */
export function forwardingHeaders(
  values: NginxValues,
  request: IncomingMessage,
): Record<string, string> {
  const address = addressOf(request);
  return {
    'X-Real-IP': address,
    'X-Forwarded-For': address,
    'X-Forwarded-Proto': values.tls ? 'https' : 'http',
  };
}
