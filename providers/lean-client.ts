/**
 * The clients of the openai and Anthropic SDKs without what they do anew for every call: put the address and some
 * fifteen headers together, and join the caller's signal with one of their own for a timeout that we keep
 * ourselves. That joining goes through weak references, which make each collection of young garbage longer.
 */

import type { Fetch } from './transport.ts';

interface CallOptions {
  path: string;
  body?: unknown;
  signal?: AbortSignal | null | undefined;
}

interface BuiltRequest {
  req: RequestInit;
}

/** What the SDKs have in common, and let subclasses override. */
interface SdkClient<Options extends CallOptions, Built extends BuiltRequest> {
  buildRequest(options: Options, retry?: { retryCount?: number }): Promise<Built>;
  fetchWithTimeout(
    url: Parameters<Fetch>[0],
    init: RequestInit | undefined,
    ms: number,
    controller: AbortController,
  ): Promise<Response>;
}

/**
 * For a client whose calls differ in nothing else than path, body and signal, and whose bodies are JSON. It builds
 * the first request of each path; later ones share its headers, which nobody may change.
 */
export function makeLean<Options extends CallOptions, Built extends BuiltRequest>(
  client: SdkClient<Options, Built>,
  fetch: Fetch,
): void {
  const build = client.buildRequest.bind(client);
  const templates = new Map<string, Built>();

  client.buildRequest = async (options, retry) => {
    const template = templates.get(options.path);
    if (template) return fill(template, options);
    const built = await build(options, retry);
    // Without what is one caller's: it would be kept for as long as the client.
    templates.set(options.path, { ...built, req: { ...built.req, body: null, signal: null } });
    return built;
  };
  client.fetchWithTimeout = (url, init) => fetch(url, init);
}

function fill<Built extends BuiltRequest>(template: Built, { body, signal }: CallOptions): Built {
  return {
    ...template,
    req: { ...template.req, body: JSON.stringify(body), signal: signal ?? null },
  };
}
