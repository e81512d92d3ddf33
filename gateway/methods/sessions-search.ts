/** `sessions.search`: what was said, in the caller's own conversations. */

import { method, refuse } from './method.ts';
import { keyOf, SESSION_KEY } from './sessions-shared.ts';

/** The published schema's bound. */
const MAX_RESULTS = 25;
const DEFAULT_RESULTS = 10;

const SEARCH = {
  type: 'object',
  properties: {
    query: { type: 'string', minLength: 1, maxLength: 4_096 },
    agentId: { type: 'string', minLength: 1 },
    sessionKeys: { type: 'array', items: SESSION_KEY, minItems: 1, maxItems: 200 },
    limit: { type: 'integer', minimum: 1, maximum: MAX_RESULTS },
  },
  required: ['query'],
} as const;

export const sessionsSearch = method(
  'sessions.search',
  'operator.read',
  SEARCH,
  async (params, caller, services) => {
    const keys = params.sessionKeys?.map((given) => keyOf(caller, given).key);
    const found = await services.store.search(caller.principal, {
      text: params.query.toWellFormed(),
      limit: params.limit ?? DEFAULT_RESULTS,
      ...(keys && { keys }),
      ...(params.agentId !== undefined && { agentId: params.agentId }),
    });
    if (found === 'busy') {
      const message = 'Other searches of yours are still under way; try again in a moment.';
      return refuse('SEARCH_BUSY', message, {}, { retryAfterMs: 1_000 });
    }
    return {
      results: found.hits.map(({ key, ...hit }) => ({ sessionKey: key, ...hit })),
      ...(found.truncated && { truncated: true }),
    };
  },
);
