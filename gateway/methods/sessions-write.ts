/** `sessions.create`, `.patch`, `.reset`, `.delete`, `.abort`: a caller's own sessions. */

import type { SessionPatch, SessionRecord } from '../../agents/sessions/store.ts';
import { ATTACHMENTS } from '../attachments.ts';
import { splitModelRef } from '../config/settings.ts';
import { startTurn } from './chat-send.ts';
import { type Caller, method, RequestError, refuse, type Services } from './method.ts';
import {
  countSend,
  expectAgent,
  freshKey,
  keyOf,
  mustExist,
  rowOf,
  SESSION_KEY,
  sessionNotFound,
  storageFull,
} from './sessions-shared.ts';

const LABEL = { type: 'string', minLength: 1, maxLength: 512 } as const;
const MODEL = { type: 'string', minLength: 1, maxLength: 256 } as const;

const CREATE = {
  type: 'object',
  properties: {
    key: SESSION_KEY,
    agentId: { type: 'string', minLength: 1 },
    label: LABEL,
    displayName: { type: 'string', minLength: 1, maxLength: 500 },
    model: MODEL,
    message: { type: 'string' },
    task: { type: 'string' },
    attachments: ATTACHMENTS,
    idempotencyKey: { type: 'string', minLength: 1, maxLength: 256 },
  },
} as const;

export const sessionsCreate = method(
  'sessions.create',
  'operator.write',
  CREATE,
  async (params, caller, services) => {
    const { principal } = caller;
    const named = params.key ?? newKey(caller, params.agentId, params.idempotencyKey);
    const { key, agentId } = keyOf(caller, named);
    expectAgent('sessions.create', caller, params.agentId, agentId);
    const label = (params.label ?? params.displayName)?.toWellFormed();
    const model = params.model === undefined ? undefined : knownModel(services, params.model);
    const message = params.message ?? params.task ?? '';
    await services.runs.cleared(principal, key);
    const hasTurn = message.trim() !== '' || (params.attachments?.length ?? 0) > 0;
    if (!hasTurn && !services.store.describe(principal, key)) countSend(caller, services);
    const made = await services.store.create(principal, {
      key,
      agentId,
      timestamp: services.now(),
      ...(label !== undefined && { label }),
      ...(model !== undefined && { model }),
    });
    if (made.outcome === 'refused') {
      if (made.reason === 'storage_full') return storageFull(services);
      return refuse('SESSION_EXISTS', `Session "${key}" belongs to another agent.`);
    }
    if (made.outcome === 'created')
      services.hub.sessionChanged(principal, key, 'create', made.session);
    const started = !hasTurn
      ? undefined
      : await firstTurn(services, caller, {
          key,
          agentId,
          runId: params.idempotencyKey?.toWellFormed() ?? crypto.randomUUID(),
          message,
          attachments: params.attachments,
        });
    const session = services.store.describe(principal, key) ?? made.session;
    return {
      ok: true,
      key,
      sessionId: session.sessionId,
      entry: rowOf(services, principal, session),
      ...started,
    };
  },
);

/** The session stands even if its first message is refused; the reply says why. */
async function firstTurn(
  services: Services,
  caller: Caller,
  turn: Parameters<typeof startTurn>[2],
) {
  try {
    const { runId, status, messageSeq } = await startTurn(services, caller, turn);
    return { runStarted: true, runId, status, messageSeq };
  } catch (error) {
    if (error instanceof RequestError) return { runStarted: false, runError: error.error };
    throw error;
  }
}

/** Repeating a create with the same idempotency key meets the same session. */
function newKey(
  caller: Caller,
  agentId: string | undefined,
  idempotencyKey: string | undefined,
): string {
  return freshKey(agentId ?? caller.keys().instanceAgentId, idempotencyKey);
}

function knownModel(services: Services, given: string): string {
  const { models } = services.catalog();
  if (models.has(given)) return given;
  // Pickers that list models by id alone send it alone.
  const byId = [...models.values()].filter((model) => model.info.id === given);
  const [only] = byId;
  if (byId.length === 1 && only) return only.ref;
  return refuse(
    'UNKNOWN_MODEL',
    `unknown model: "${given}"; models.list has those that are configured`,
  );
}

const nullable = <const T extends object>(schema: T) =>
  ({ anyOf: [schema, { type: 'null' }] }) as const;

const PATCH = {
  type: 'object',
  properties: {
    key: SESSION_KEY,
    expectedSessionId: { type: 'string', minLength: 1 },
    label: nullable(LABEL),
    model: nullable(MODEL),
    archived: { type: 'boolean' },
    pinned: { type: 'boolean' },
    unread: { type: 'boolean' },
  },
  required: ['key'],
} as const;

export const sessionsPatch = method(
  'sessions.patch',
  'operator.write',
  PATCH,
  async (params, caller, services) => {
    const { key } = keyOf(caller, params.key);
    const { principal } = caller;
    const { expectedSessionId } = params;
    await services.runs.cleared(principal, key);
    expectSession(mustExist(caller, services, key), expectedSessionId);
    const patch: SessionPatch = {
      ...(params.label !== undefined && { label: params.label?.toWellFormed() ?? null }),
      ...(params.model !== undefined && {
        model: params.model === null ? null : knownModel(services, params.model),
      }),
      ...(params.archived !== undefined && { archived: params.archived }),
      ...(params.pinned !== undefined && { pinned: params.pinned }),
      ...(params.unread !== undefined && { unread: params.unread }),
    };
    const now = services.now();
    const session = await services.store.patch(principal, key, patch, now, expectedSessionId);
    if (!session) return sessionNotFound(key);
    if (session === 'stale_session') return staleSession();
    services.hub.sessionChanged(principal, key, 'patch', session);
    return {
      ok: true,
      key,
      entry: rowOf(services, principal, session),
      resolved: resolved(services, session),
    };
  },
);

function resolved(services: Services, session: SessionRecord) {
  const agent = services.catalog().agents.get(session.agentId);
  const chosen = session.model ?? agent?.models[0]?.ref;
  const ref = chosen === undefined ? undefined : splitModelRef(chosen);
  return { modelProvider: ref?.provider ?? null, model: ref?.model ?? null };
}

/** Refuses early what the store would refuse: a reset may be under way, so the store has the last word. */
function expectSession(session: SessionRecord, expected: string | undefined): void {
  if (expected !== undefined && expected !== session.sessionId) staleSession();
}

function staleSession(): never {
  return refuse('STALE_SESSION', 'The session was reset meanwhile; load it and try again.');
}

const KEY = { type: 'object', properties: { key: SESSION_KEY }, required: ['key'] } as const;

export const sessionsReset = method(
  'sessions.reset',
  'operator.write',
  KEY,
  async (params, caller, services) => {
    const { key } = keyOf(caller, params.key);
    const { principal } = caller;
    mustExist(caller, services, key);
    const session = await services.runs.clear(principal, key, () =>
      services.store.reset(principal, key, services.now()),
    );
    if (!session) return sessionNotFound(key);
    services.hub.sessionChanged(principal, key, 'reset', session);
    return {
      ok: true,
      key,
      sessionId: session.sessionId,
      entry: rowOf(services, principal, session),
    };
  },
);

const DELETE = {
  type: 'object',
  properties: { key: SESSION_KEY, expectedSessionId: { type: 'string', minLength: 1 } },
  required: ['key'],
} as const;

export const sessionsDelete = method(
  'sessions.delete',
  'operator.write',
  DELETE,
  async (params, caller, services) => {
    const { key } = keyOf(caller, params.key);
    const { principal } = caller;
    const { expectedSessionId } = params;
    const check = () => expectSession(mustExist(caller, services, key), expectedSessionId);
    check();
    const { runs, store } = services;
    const outcome = await runs.clear(
      principal,
      key,
      () => store.delete(principal, key, expectedSessionId),
      // Once more: who came before may have reset it, and what runs then belongs to another session.
      check,
    );
    if (outcome === 'not_found') return sessionNotFound(key);
    if (outcome === 'stale_session') return staleSession();
    services.hub.sessionChanged(principal, key, 'delete');
    return { ok: true, key, deleted: true, archived: [] };
  },
);

const ABORT = {
  type: 'object',
  properties: { key: SESSION_KEY, runId: { type: 'string', minLength: 1 } },
} as const;

export const sessionsAbort = method(
  'sessions.abort',
  'operator.write',
  ABORT,
  async (params, caller, services) => {
    const { principal } = caller;
    const runId = params.runId?.toWellFormed();
    const found = runId === undefined ? undefined : services.runs.find(principal, runId);
    const key = params.key === undefined ? found?.record.sessionKey : keyOf(caller, params.key).key;
    const runIds = key === undefined ? [] : await services.runs.abort(principal, key, runId);
    if (key !== undefined && runIds.length === 0) mustExist(caller, services, key);
    const status = runIds.length > 0 ? 'aborted' : 'no-active-run';
    return { ok: true, abortedRunId: runIds[0] ?? null, runIds, status };
  },
);
