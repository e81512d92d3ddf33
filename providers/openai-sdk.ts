/** The only file that imports the openai SDK: a client per endpoint, and what its errors mean. */

import OpenAI, { APIError, type ClientOptions } from 'openai';
import { withVersion } from './base-url.ts';
import type { ProviderEndpoint } from './contract.ts';
import { withoutVariables } from './environment.ts';
import { networkCode, type UpstreamError } from './failures.ts';
import { createRequestTemplates } from './request-template.ts';
import { UNREADABLE } from './response.ts';
import { createFetch, type Fetch } from './transport.ts';
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

type BuiltRequest = Awaited<ReturnType<OpenAI['buildRequest']>>;

/** What the SDK tells the server that it waits stands a little behind our own limit, which also covers the body. */
const BEHIND_OURS_MS = 1_000;

/**
 * Everything that the SDK would otherwise take from the environment is hidden from it: two endpoints
 * in one process must not share an organisation, a log level or a header by accident.
 */
export function openAiClient(endpoint: ProviderEndpoint): OpenAI {
  const fetch = createFetch();
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
  return withoutVariables('OPENAI_', () => new LeanClient(options, fetch));
}

/** The SDK's client without what it does for every call and we do once, or ourselves. */
class LeanClient extends OpenAI {
  readonly #templates = createRequestTemplates<BuiltRequest>();
  readonly #fetch: Fetch;

  constructor(options: ClientOptions, fetch: Fetch) {
    super(options);
    this.#fetch = fetch;
  }

  override buildRequest(...args: Parameters<OpenAI['buildRequest']>): Promise<BuiltRequest> {
    return this.#templates.fill(args[0], () => super.buildRequest(...args));
  }

  /**
   * With the caller's signal alone, which our timer of silence aborts. The SDK would join it with one of its own
   * for its timeout: through weak references, which make every collection of young garbage longer.
   */
  override fetchWithTimeout(...[url, init]: Parameters<OpenAI['fetchWithTimeout']>) {
    return this.#fetch(url, init);
  }
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
