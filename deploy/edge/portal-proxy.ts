/** The chat page and the portal's public API, passed on with a list of headers. */

import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { AWAY_HEADERS, AWAY_PAGE, AWAY_TYPE } from '../nginx/away-page.ts';
import type { NginxValues } from '../nginx/values.ts';
import { splitAddress } from './address.ts';

const HEADERS = ['accept', 'accept-encoding', 'accept-language', 'user-agent'];
const PAGE_HEADERS = [...HEADERS, 'if-none-match', 'if-modified-since'];
const API_HEADERS = [
  ...HEADERS,
  'authorization',
  'content-type',
  'origin',
  'access-control-request-method',
  'access-control-request-headers',
];

/** They speak of one connection and not of the message. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'trailer']);

/** Of a portal that is not there, or not for now. */
const AWAY_STATUSES = new Set([502, 503, 504]);

const MAX_BODY_BYTES = 64 * 1024;
const TIMEOUT_MS = 15_000;

export interface Passage {
  readonly kind: 'page' | 'api';
  /** As it was judged, not as it was written. */
  readonly path: string;
  readonly query: string;
  readonly own: Readonly<Record<string, string>>;
}

export function passToPortal(
  values: NginxValues,
  request: IncomingMessage,
  response: ServerResponse,
  { kind, path, query, own }: Passage,
): void {
  if (Number(request.headers['content-length'] ?? 0) > (kind === 'api' ? MAX_BODY_BYTES : 1)) {
    return answerPlain(response, 413);
  }
  const asked = httpRequest(
    {
      ...splitAddress(values.portal),
      method: request.method,
      path: path + query,
      agent: false,
      timeout: TIMEOUT_MS,
      headers: { ...allowed(request, kind === 'api' ? API_HEADERS : PAGE_HEADERS), ...own },
    },
    (answer) => passBack(kind, answer, response),
  );
  const failed = () => {
    if (response.headersSent) return void response.destroy();
    if (kind === 'api') answerApi(values, request, response, 503);
    else answerAway(response, 502);
  };
  asked.on('timeout', () => asked.destroy(new Error('timeout')));
  asked.on('error', failed);
  response.on('close', () => asked.destroy());
  if (kind === 'page') return void asked.end();
  passBody(request, asked, () => answerPlain(response, 413));
}

function passBack(kind: Passage['kind'], answer: IncomingMessage, response: ServerResponse): void {
  const status = answer.statusCode ?? 502;
  if (kind === 'page' && AWAY_STATUSES.has(status)) {
    answer.resume();
    return answerAway(response, status);
  }
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value !== undefined && !HOP_BY_HOP.has(name)) response.setHeader(name, value);
  }
  response.writeHead(status);
  answer.pipe(response);
  answer.on('error', () => response.destroy());
}

/** Up to the bound; beyond it the request ends there. */
function passBody(
  request: IncomingMessage,
  asked: ReturnType<typeof httpRequest>,
  tooLarge: () => void,
): void {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) {
      asked.removeAllListeners('error');
      asked.on('error', () => {});
      asked.destroy();
      tooLarge();
    } else asked.write(chunk);
  });
  request.on('end', () => asked.end());
}

function allowed(request: IncomingMessage, names: readonly string[]): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of [...names, 'content-length']) {
    const value = request.headersDistinct[name]?.[0] ?? '';
    if (value !== '') kept[name] = value;
  }
  return kept;
}

const STATUS_WORDS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Not Allowed',
  413: 'Request Entity Too Large',
  421: 'Misdirected Request',
  426: 'Upgrade Required',
};

export function answerPlain(response: ServerResponse, status: number): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' });
  response.end(`${status} ${STATUS_WORDS[status] ?? ''}\n`);
}

/** In place of the chat page, also where the portal says so itself, as one that is stopping does. */
function answerAway(response: ServerResponse, status: number): void {
  response.writeHead(status, { ...AWAY_HEADERS, 'Content-Type': AWAY_TYPE });
  response.end(AWAY_PAGE);
}

const API_ERRORS = {
  429: {
    retryAfter: '1',
    code: 'rate_limited',
    message: 'too many requests; wait a moment',
    message_zh: '请求过于频繁，请稍候再试',
  },
  503: {
    retryAfter: '2',
    code: 'unavailable',
    message: 'the service is not reachable right now; try again',
    message_zh: '服务暂时不可用，请稍后再试',
  },
} as const;

/** A page of another host can read it, as it can the portal's own errors. */
export function answerApi(
  values: NginxValues,
  request: IncomingMessage,
  response: ServerResponse,
  status: keyof typeof API_ERRORS,
): void {
  const { retryAfter, ...error } = API_ERRORS[status];
  const origin = request.headers.origin ?? '';
  response.writeHead(status, {
    'content-type': 'application/json',
    'retry-after': retryAfter,
    vary: 'Origin',
    'access-control-expose-headers': 'Retry-After',
    ...(values.allowedOrigins.includes(origin) && { 'access-control-allow-origin': origin }),
  });
  response.end(JSON.stringify({ error }));
}
