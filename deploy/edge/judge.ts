/** What the edge can judge of a request without asking anybody: the same rules as the rendered nginx has. Pure. */

import type { IncomingMessage } from 'node:http';
import { isInstanceId } from '../nginx/instance-id.ts';
import { PATTERNS } from '../nginx/patterns.ts';
import type { NginxValues } from '../nginx/values.ts';
import type { RefusedStatus } from './close-codes.ts';

const TOKEN_QUERY = new RegExp(`^token=(${PATTERNS.token})$`);
const API_PATH = new RegExp(`^${PATTERNS.apiPath}$`);
const PAGE_PATH = new RegExp(`^${PATTERNS.pagePath}$`);

type Role = 'page' | 'api' | 'socket';

export type Route =
  | { readonly kind: 'page' | 'api'; readonly path: string; readonly query: string }
  | { readonly kind: 'redirect'; readonly status: 301 | 302; readonly to: string }
  | { readonly kind: 'socket'; readonly instance: string; readonly query: string }
  /** Answered with this HTTP status. */
  | { readonly kind: 'plain'; readonly status: 400 | 404 | 421 };

/** Which part of the chain a request is for. */
export function routeOf(values: NginxValues, request: IncomingMessage): Route {
  if (request.headersDistinct['host']?.length !== 1) return { kind: 'plain', status: 400 };
  const roles = rolesOf(values, request);
  if (roles.size === 0) return { kind: 'plain', status: 421 };
  const [rawPath, query] = splitTarget(request.url ?? '');
  const path = normalPath(rawPath);
  if (path === undefined) return { kind: 'plain', status: 400 };
  if (roles.has('page')) {
    if (path === '/') return { kind: 'redirect', status: 302, to: '/portal/chat/' };
    if (path === '/portal/chat') {
      return { kind: 'redirect', status: 301, to: `/portal/chat/${query}` };
    }
    if (PAGE_PATH.test(path)) return { kind: 'page', path, query };
  }
  if (roles.has('api') && API_PATH.test(path)) return { kind: 'api', path, query };
  if (roles.has('socket') && path.startsWith('/oc-ws/')) {
    return { kind: 'socket', instance: path.slice('/oc-ws/'.length), query };
  }
  return { kind: 'plain', status: 404 };
}

function rolesOf({ serverNames }: NginxValues, request: IncomingMessage): Set<Role> {
  const host = (request.headers.host ?? '').toLowerCase().replace(/:[0-9]*$/, '');
  const name = host.replace(/\.$/, '');
  const roles = ['page', 'api', 'socket'] as const;
  return new Set(roles.filter((role) => serverNames[role].includes(name)));
}

/** Path, and query with its question mark. */
function splitTarget(target: string): [path: string, query: string] {
  const bare = target.replace(/#.*$/, '');
  const at = bare.indexOf('?');
  return at < 0 ? [bare, ''] : [bare.slice(0, at), bare.slice(at)];
}

/** As nginx reads it: decoded once, slashes merged, dot segments resolved. Undefined: no path at all. */
function normalPath(raw: string): string | undefined {
  if (!raw.startsWith('/') || /%(?![0-9a-f]{2})|%00/i.test(raw)) return undefined;
  const decoded = raw.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const kept: string[] = [];
  const segments = decoded.split('/');
  for (const segment of segments) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') kept.push(segment);
    else if (kept.pop() === undefined) return undefined;
  }
  const last = segments.at(-1) ?? '';
  const folder = kept.length > 0 && (last === '' || last === '.' || last === '..');
  return `/${kept.join('/')}${folder ? '/' : ''}`;
}

export type Admission =
  | { readonly kind: 'ask'; readonly token: string; readonly backend: string }
  | { readonly kind: 'plain'; readonly status: 405 | 426 }
  | { readonly kind: 'refused'; readonly status: RefusedStatus; readonly word: string };

/** Whether the portal is to be asked about this handshake. */
export function admit(
  values: NginxValues,
  backends: ReadonlyMap<string, string>,
  request: IncomingMessage,
  route: { readonly instance: string; readonly query: string },
): Admission {
  if (request.method !== 'GET') return { kind: 'plain', status: 405 };
  if (!isWebSocket(request)) return { kind: 'plain', status: 426 };
  const refused = (status: RefusedStatus, word: string): Admission => ({
    kind: 'refused',
    status,
    word,
  });
  if (!isInstanceId(route.instance)) return refused(404, 'instance_unknown');
  const origin = onlyHeader(request, 'origin');
  if (origin === undefined || !values.allowedOrigins.includes(origin)) {
    return refused(403, 'origin_not_allowed');
  }
  const backend = backends.get(route.instance);
  if (backend === undefined) return refused(404, 'instance_unknown');
  const query = route.query.slice(1);
  const token = TOKEN_QUERY.exec(query)?.[1];
  if (token === undefined) {
    return refused(401, /(?:^|&)token=./i.test(query) ? 'token_invalid' : 'token_missing');
  }
  return { kind: 'ask', token, backend };
}

function isWebSocket(request: IncomingMessage): boolean {
  const { upgrade = '', connection = '' } = request.headers;
  return /^websocket$/i.test(upgrade) && /(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i.test(connection);
}

/** The value of a header that stands there once; undefined if it is missing or stands there twice. */
function onlyHeader(request: IncomingMessage, name: string): string | undefined {
  const values = request.headersDistinct[name];
  return values?.length === 1 ? values[0] : undefined;
}
