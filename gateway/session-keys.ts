/** Which session a client's key names, and which agent answers there. */

import type { Catalog } from '../agents/definition.ts';
import { detailedError, type ProtocolError } from './protocol/errors.ts';

export interface KeyScope {
  catalog: Catalog;
  /** The agent that serves the socket's instance. */
  instanceAgentId: string;
  /** Whether the instance is bound to that one agent (`gateway.instances`). */
  bound: boolean;
  /** `session.mainKey`, the short name of the main session. */
  mainKey: string;
  /** The full key of the socket's main session. */
  mainSessionKey: string;
}

export type KeyResolution =
  | { ok: true; key: string; agentId: string }
  | { ok: false; error: ProtocolError };

/** The key of an agent's main session, as OpenClaw writes it. */
export function mainSessionKey(agentId: string, mainKey: string): string {
  return `agent:${agentId}:${mainKey}`;
}

/**
 * `agent:<id>:…` must name an agent that the instance may use; any other key belongs to the
 * instance's agent. The bare main key means the socket's main session.
 */
export function resolveSessionKey(scope: KeyScope, given: string): KeyResolution {
  const key = given === scope.mainKey ? scope.mainSessionKey : given;
  const agentId = agentOfKey(key) ?? scope.instanceAgentId;
  if (!mayUseAgent(scope, agentId)) {
    return { ok: false, error: unknownAgent(agentId) };
  }
  return { ok: true, key, agentId };
}

/** The same answer for an agent that does not exist and for one that this instance may not use. */
export function unknownAgent(given: string): ProtocolError {
  const agentId = given.slice(0, 64) || '(empty)';
  return detailedError('UNKNOWN_AGENT_ID', `unknown agent id "${agentId}"`, { agentId });
}

export function mayUseAgent(scope: KeyScope, agentId: string): boolean {
  return scope.bound ? agentId === scope.instanceAgentId : scope.catalog.agents.has(agentId);
}

function agentOfKey(key: string): string | undefined {
  if (!key.startsWith('agent:')) return undefined;
  const end = key.indexOf(':', 'agent:'.length);
  return end < 0 ? undefined : key.slice('agent:'.length, end);
}
