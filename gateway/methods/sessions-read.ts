/** `sessions.list`, `sessions.describe` and the subscriptions. */

import type { SessionQuery } from '../../agents/sessions/store.ts';
import { splitModelRef } from '../config/settings.ts';
import { type Caller, method, type Services } from './method.ts';
import { keyOf, rowOf, SESSION_KEY } from './sessions-shared.ts';

const DEFAULT_LIMIT = 100;
/** A reply of this many rows is about 0.5 MB. */
const MAX_LIMIT = 1_000;

const LIST = {
  type: 'object',
  properties: {
    limit: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
    offset: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    activeMinutes: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
    sortBy: { enum: ['updatedAt', 'lastInteractionAt'] },
    label: { type: 'string', minLength: 1, maxLength: 512 },
    agentId: { type: 'string', minLength: 1 },
    search: { type: 'string', maxLength: 512 },
    spawnedBy: { type: 'string', minLength: 1 },
    archived: { anyOf: [{ type: 'boolean' }, { const: 'all' }] },
  },
} as const;

interface ListParams {
  limit?: number;
  offset?: number;
  activeMinutes?: number;
  sortBy?: 'updatedAt' | 'lastInteractionAt';
  label?: string;
  agentId?: string;
  search?: string;
  spawnedBy?: string;
  archived?: boolean | 'all';
}

export const sessionsList = method(
  'sessions.list',
  'operator.read',
  LIST,
  (params, caller, services) => list(params, caller, services),
);

function list(params: ListParams, caller: Caller, services: Services) {
  const query = toQuery(params, services.now());
  // No session is ever spawned by another here, so a list of those is empty.
  const found =
    params.spawnedBy === undefined
      ? services.store.list(caller.principal, query)
      : { sessions: [], total: 0 };
  const end = query.offset + found.sessions.length;
  const hasMore = end < found.total;
  return {
    ts: services.now(),
    path: '',
    count: found.sessions.length,
    totalCount: found.total,
    limitApplied: query.limit,
    nextOffset: hasMore ? end : null,
    hasMore,
    defaults: defaults(caller, services),
    sessions: found.sessions.map((session) => rowOf(services, caller.principal, session)),
  };
}

function toQuery(params: ListParams, now: number): SessionQuery {
  const search = params.search?.trim();
  return {
    limit: Math.min(params.limit ?? DEFAULT_LIMIT, MAX_LIMIT),
    offset: params.offset ?? 0,
    archived: params.archived ?? false,
    ...(params.sortBy !== undefined && { sortBy: params.sortBy }),
    ...(search && { search: search.toWellFormed() }),
    ...(params.label !== undefined && { label: params.label }),
    ...(params.agentId !== undefined && { agentId: params.agentId }),
    ...(params.activeMinutes !== undefined && {
      updatedSince: now - params.activeMinutes * 60_000,
    }),
  };
}

function defaults(caller: Caller, services: Services) {
  const agent = services.catalog().agents.get(caller.keys().instanceAgentId);
  const model = agent?.models[0];
  const ref = model && splitModelRef(model.ref);
  return {
    modelProvider: ref?.provider ?? null,
    model: ref?.model ?? null,
    contextTokens: agent?.contextTokens ?? model?.info.contextWindow ?? null,
  };
}

export const sessionsSubscribe = method(
  'sessions.subscribe',
  'operator.read',
  LIST,
  (params, caller, services) => {
    caller.watchSessions(true);
    const asked = Object.keys(params).length > 0;
    return { subscribed: true, ...(asked && { list: list(params, caller, services) }) };
  },
);

const KEY = { type: 'object', properties: { key: SESSION_KEY }, required: ['key'] } as const;

export const sessionsMessagesSubscribe = method(
  'sessions.messages.subscribe',
  'operator.read',
  KEY,
  (params, caller) => {
    const { key } = keyOf(caller, params.key);
    caller.watchMessages(key, true);
    return { subscribed: true, key };
  },
);

export const sessionsMessagesUnsubscribe = method(
  'sessions.messages.unsubscribe',
  'operator.read',
  KEY,
  (params, caller) => {
    const { key } = keyOf(caller, params.key);
    caller.watchMessages(key, false);
    return { subscribed: false, key };
  },
);

export const sessionsDescribe = method(
  'sessions.describe',
  'operator.read',
  KEY,
  (params, caller, services) => {
    const { key } = keyOf(caller, params.key);
    const session = services.store.describe(caller.principal, key);
    return { session: session ? rowOf(services, caller.principal, session) : null };
  },
);
