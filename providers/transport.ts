/**
 * `fetch` over node:http, for the SDKs. Against the built-in one it costs about a fifth less CPU per
 * token, has no five-minute limits of its own, never follows a redirect (which would carry the API
 * key elsewhere), and keeps its connection when a reader stops at an end marker a moment before the
 * response ends, as the openai SDK does with every answer.
 */

import * as http from 'node:http';
import * as https from 'node:https';
import { readBody } from './body.ts';
import { READING } from './turn-budget.ts';

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Idle connections are closed after this. Many servers and balancers close theirs after 60 s. */
const IDLE_MS = 30_000;

/** A pool of its own for each endpoint. Connections are not limited: a stream holds one to its end. */
export function createFetch(): Fetch {
  const options = { keepAlive: true, timeout: IDLE_MS };
  const plain = { request: http.request, agent: new http.Agent(options) };
  const secure = { request: https.request, agent: new https.Agent(options) };
  return (input, init = {}) =>
    new Promise((resolve, reject) => {
      const url = new URL(input instanceof Request ? input.url : input);
      const { request, agent } = url.protocol === 'https:' ? secure : plain;
      const send = () => {
        const outgoing = request(url, {
          agent,
          method: init.method ?? 'GET',
          headers: Object.fromEntries(new Headers(init.headers)),
        });
        exchange(outgoing, init, resolve, (error) => {
          // The server closed an idle connection just as we took it: it never saw this request.
          if (outgoing.reusedSocket && isReset(error) && !init.signal?.aborted) send();
          else reject(error);
        });
      };
      send();
    });
}

function isReset(error: Error): boolean {
  return 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

function exchange(
  outgoing: http.ClientRequest,
  init: RequestInit,
  resolve: (response: Response) => void,
  reject: (error: Error) => void,
): void {
  const signal = init.signal ?? undefined;
  const abort = () => outgoing.destroy(aborted());
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  outgoing.on('close', () => signal?.removeEventListener('abort', abort));
  outgoing.on('error', reject);
  outgoing.on('response', (message) => {
    try {
      resolve(toResponse(message, signal));
    } catch (error) {
      message.destroy();
      reject(error instanceof Error ? error : new Error('unreadable response'));
    }
  });
  // Our SDKs send JSON text; anything else would need more than `end`.
  outgoing.end(typeof init.body === 'string' ? init.body : undefined);
}

/** What `fetch` rejects with, and what the SDKs know as the caller's own doing. */
function aborted(): DOMException {
  return new DOMException('The request was aborted', 'AbortError');
}

/** SDKs read the body of an error to its end before they throw; what says why stands at its beginning. */
const MAX_ERROR_BYTES = 64 * 1024;

/** The bodies of our responses, for readers that need no web stream around them. */
const bodies = new WeakMap<Response, AsyncIterable<Uint8Array>>();

/** The body's chunks. A response of our own is read without the cost of its web stream; use one or the other. */
export function chunksOf(response: Response): AsyncIterable<Uint8Array> {
  return bodies.get(response) ?? response.body ?? NOTHING;
}

const NOTHING: AsyncIterable<Uint8Array> = {
  async *[Symbol.asyncIterator]() {},
};

function toResponse(message: http.IncomingMessage, signal: AbortSignal | undefined): Response {
  const headers = new Headers();
  const { rawHeaders, statusCode = 0, statusMessage = '' } = message;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
  }
  const options = { status: statusCode, statusText: statusMessage, headers };
  if (statusCode === 204 || statusCode === 205 || statusCode === 304) {
    message.resume();
    return new Response(null, options);
  }
  const body = readBody(message, {
    maxBytes: statusCode >= 400 ? MAX_ERROR_BYTES : Number.POSITIVE_INFINITY,
    turns: READING,
    broken: (error) => (signal?.aborted ? aborted() : error),
  });
  const response = new Response(toStream(body), options);
  bodies.set(response, body);
  return response;
}

/** Reads nothing ahead of its reader: the body does. */
function toStream(body: AsyncIterator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await body.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await body.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
