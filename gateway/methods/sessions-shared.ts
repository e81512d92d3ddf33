/** What the chat and session methods have in common: keys, rows, and the answer "not found". */

import type { Principal } from '../../agents/principal.ts';
import type { SessionRecord } from '../../agents/sessions/store.ts';
import { protocolError } from '../protocol/errors.ts';
import { sessionRow } from '../rows.ts';
import { mayUseAgent, resolveSessionKey, unknownAgent } from '../session-keys.ts';
import { type Caller, RequestError, refuse, type Services } from './method.ts';

/** Parameter schema of a session key. The bound is the published schema's. */
export const SESSION_KEY = { type: 'string', minLength: 1, maxLength: 512 } as const;

/** The session that a key names for this caller, and the agent that answers there. */
export function keyOf(caller: Caller, given: string): { key: string; agentId: string } {
  const resolved = resolveSessionKey(caller.keys(), given.toWellFormed());
  if (!resolved.ok) throw new RequestError(resolved.error);
  return resolved;
}

/** A key decides who answers; a client that names somebody else beside it would be misunderstood. */
export function expectAgent(
  method: string,
  caller: Caller,
  asked: string | undefined,
  agentId: string,
): void {
  if (asked === undefined || asked === agentId) return;
  if (!mayUseAgent(caller.keys(), asked)) throw new RequestError(unknownAgent(asked));
  const problem = `at /agentId: the key belongs to the agent "${agentId}"`;
  throw new RequestError(protocolError('INVALID_REQUEST', `invalid ${method} params: ${problem}`));
}

/** A key that no session has, in the form of OpenClaw's own pages. */
export function freshKey(agentId: string, id: string = crypto.randomUUID()): string {
  return `agent:${agentId}:dashboard:${id}`;
}

/** The same words for a session that is missing and for one that is somebody else's. */
export function sessionNotFound(key: string): never {
  return refuse('SESSION_NOT_FOUND', `Session "${key.slice(0, 200)}" was not found.`);
}

/** The caller's session of this key, or the refusal that says that there is none. */
export function mustExist(caller: Caller, services: Services, key: string): SessionRecord {
  return services.store.describe(caller.principal, key) ?? sessionNotFound(key);
}

/** Counts one message, or something as costly, against what the caller may send in a minute. */
export function countSend(caller: Caller, { sendRate, config }: Services): void {
  const waitMs = sendRate.take(caller.principal.userId);
  if (waitMs === 0) return;
  const { sendsPerMinute } = config().gateway.limits;
  const message = `You may send ${sendsPerMinute} messages a minute; wait a moment.`;
  refuse('SEND_RATE', message, { limit: sendsPerMinute }, { retryAfterMs: waitMs });
}

/** The caller's stored messages leave no room for more. */
export function storageFull({ config }: Services): never {
  const limit = config().gateway.limits.maxStoredBytesPerUser;
  const message = 'Your stored conversations leave no room for more; delete some of them.';
  return refuse('STORAGE_FULL', message, { limit });
}

/** The wire row of a session, with what this process knows of its runs. */
export function rowOf(services: Services, principal: Principal, session: SessionRecord): object {
  const catalog = services.catalog();
  const agent = catalog.agents.get(session.agentId);
  const model = catalog.models.get(session.model ?? '') ?? agent?.models[0];
  return sessionRow(session, {
    model: model?.ref,
    contextTokens: agent?.contextTokens ?? model?.info.contextWindow,
    activeRunIds: services.runs
      .of(principal, session.key)
      .filter((run) => !run.over)
      .map((run) => run.record.runId),
  });
}

/** Whether this agent's users see what its model thought. */
export function showsThinking(services: Services, agentId: string): boolean {
  const agent = services.catalog().agents.get(agentId);
  return agent !== undefined && agent.reasoning !== 'off';
}
