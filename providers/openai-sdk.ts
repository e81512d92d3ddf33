/** The only file that imports the openai SDK: a client per endpoint, and what its errors mean. */

import OpenAI, { APIError, APIPromise } from 'openai';
import { withVersion } from './base-url.ts';
import type { ProviderEndpoint } from './contract.ts';
import { withoutVariables } from './environment.ts';
import { networkCode, type UpstreamError } from './failures.ts';
import { makeLean } from './lean-client.ts';
import { UNREADABLE } from './response.ts';
import { createFetch } from './transport.ts';
import { isText, textAt, type WireObject } from './wire.ts';

export type {
  ChatCompletionContentPart,
  ChatCompletionCreateParamsStreaming,
  ChatCompletionMessageParam,
} from 'openai/resources/chat/completions';
export type {
  ResponseCreateParamsStreaming,
  ResponseInputItem,
} from 'openai/resources/responses/responses';

/** What the SDK tells the server that it waits stands a little behind our own limit, which also covers the body. */
const BEHIND_OURS_MS = 1_000;

/**
 * Everything that the SDK would otherwise take from the environment is hidden from it: two endpoints
 * in one process must not share an organisation, a log level or a header by accident.
 */
export function openAiClient(endpoint: ProviderEndpoint): OpenAI {
  const fetch = createFetch(endpoint);
  // Local servers need no key, but the SDK insists on one; then no header is sent.
  const keyless = endpoint.apiKey === '';
  const options = {
    baseURL: withVersion(endpoint.baseUrl, 'v1'),
    apiKey: keyless ? 'none' : endpoint.apiKey,
    maxRetries: 0,
    timeout: endpoint.silenceMs + BEHIND_OURS_MS,
    fetch,
    logLevel: 'off' as const,
    defaultHeaders: { ...(keyless && { Authorization: null }), ...endpoint.headers },
  };
  const client = withoutVariables('OPENAI_', () => new OpenAI(options));
  makeLean(client, fetch);
  makeForgetful(client);
  return client;
}

/**
 * The SDK assigns two closures to the promise of each call. V8 makes what is assigned so among its old objects, and the
 * whole call (its body, its answer) would be kept with them until the old are collected, and be copied twice
 * before. The class of the promise has all that our adapters use. Without effect on an SDK that has no such method.
 */
function makeForgetful(client: OpenAI): void {
  const value = (call: ConstructorParameters<typeof APIPromise>[1]) => new APIPromise(client, call);
  Object.defineProperty(client, 'responsePromise', { value });
}

/** An error that the stream holds, where there is no status: `{code, type, message}`. */
export function streamError(error: WireObject): UpstreamError {
  const codes = [textAt(error, 'code'), textAt(error, 'type')].filter(isText);
  return {
    codes: codes.length > 0 ? codes : ['server_error'],
    text: textAt(error, 'message') ?? '',
  };
}

export function describeOpenAiError(error: unknown): UpstreamError {
  if (error instanceof SyntaxError) return { known: UNREADABLE };
  if (!(error instanceof APIError)) return network(error);
  const { status, headers } = error;
  // Connection errors are APIErrors without a body; what broke is in their cause.
  if (status === undefined && error.error === undefined) return network(error);
  return {
    // The SDK types these as possibly absent, and our types tell absent from undefined.
    ...(status !== undefined && { status }),
    ...(headers !== undefined && { headers }),
    codes: [error.code, error.type].filter((code) => typeof code === 'string'),
    text: error.message,
  };
}

function network(error: unknown): UpstreamError {
  const code = networkCode(error);
  if (code !== undefined) return { network: code };
  return error instanceof APIError || error instanceof TypeError ? { network: 'UNKNOWN' } : {};
}
