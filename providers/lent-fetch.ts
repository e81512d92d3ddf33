/** For an SDK that takes no `fetch`: lends it one for a single call, and watches what it hides. */

import type { Fetch } from './transport.ts';

/**
 * Runs `call` with `fetch` in the place of the global one, and puts that back before anyone else
 * can run. It works for an SDK that looks the global up in the synchronous part of its call; the
 * conformance suite fails for one that does not, since the built-in `fetch` follows redirects and
 * carries an API key along.
 */
export function lend<T>(fetch: Fetch, call: () => T): T {
  const own = globalThis.fetch;
  globalThis.fetch = fetch;
  try {
    return call();
  } finally {
    globalThis.fetch = own;
  }
}

export interface WatchedFetch {
  fetch: Fetch;
  response(): Response | undefined;
  /** Why there was no response. */
  cause(): unknown;
}

/** The same `fetch`, for one call; remembers its outcome, and keeps the body of an answer to itself. */
export function watch(fetch: Fetch): WatchedFetch {
  let response: Response | undefined;
  let cause: unknown;
  return {
    response: () => response,
    cause: () => cause,
    async fetch(...args) {
      try {
        response = await fetch(...args);
        return response.ok ? new Response('', response) : response;
      } catch (error) {
        cause = error;
        throw error;
      }
    },
  };
}
