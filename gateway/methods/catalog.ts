/** `agents.list`, `agent.identity.get`, `models.list`, `commands.list`: what there is to talk to. */

import type { AgentDefinition } from '../../agents/definition.ts';
import { mayUseAgent, unknownAgent } from '../session-keys.ts';
import { type Caller, method, RequestError, type Services } from './method.ts';

const NO_PARAMS = { type: 'object' } as const;
const AGENT_PARAMS = {
  type: 'object',
  properties: { agentId: { type: 'string', minLength: 1 }, sessionKey: { type: 'string' } },
} as const;

function agentsOf(caller: Caller, services: Services): AgentDefinition[] {
  const scope = caller.keys();
  return [...services.catalog().agents.values()].filter((agent) => mayUseAgent(scope, agent.id));
}

function agentOf(caller: Caller, services: Services, agentId: string | undefined): AgentDefinition {
  const scope = caller.keys();
  const id = agentId ?? scope.instanceAgentId;
  const agent = mayUseAgent(scope, id) ? services.catalog().agents.get(id) : undefined;
  if (!agent) throw new RequestError(unknownAgent(id));
  return agent;
}

function identity(agent: AgentDefinition) {
  return {
    ...(agent.name !== undefined && { name: agent.name }),
    ...(agent.emoji !== undefined && { emoji: agent.emoji }),
    ...(agent.avatar !== undefined && { avatar: agent.avatar }),
  };
}

export const agentsList = method(
  'agents.list',
  'operator.read',
  NO_PARAMS,
  (_params, caller, services) => ({
    defaultId: caller.keys().instanceAgentId,
    mainKey: caller.keys().mainKey,
    scope: 'per-sender',
    agents: agentsOf(caller, services).map((agent) => {
      const [primary, ...fallbacks] = agent.models.map((model) => model.ref);
      return {
        id: agent.id,
        ...(agent.name !== undefined && { name: agent.name }),
        identity: identity(agent),
        // The Control UI blocks its composer without a primary model.
        ...(primary !== undefined && { model: { primary, fallbacks } }),
      };
    }),
  }),
);

export const agentIdentityGet = method(
  'agent.identity.get',
  'operator.read',
  AGENT_PARAMS,
  (params, caller, services) => {
    const agent = agentOf(caller, services, params.agentId);
    return { agentId: agent.id, ...identity(agent) };
  },
);

export const modelsList = method(
  'models.list',
  'operator.read',
  AGENT_PARAMS,
  (_params, caller, services) => ({
    models: modelList(caller, services),
  }),
);

/** Every configured model; the one that the instance's agent calls first is tagged `default`. */
export function modelList(caller: Caller, services: Services): object[] {
  const { agents, models } = services.catalog();
  const primary = agents.get(caller.keys().instanceAgentId)?.models[0]?.ref;
  return [...models.values()].map((model) => ({
    id: model.info.id,
    name: model.name,
    provider: model.endpoint.id,
    contextWindow: model.info.contextWindow,
    reasoning: model.info.reasoning,
    input: model.info.input,
    available: true,
    ...(model.ref === primary && { tags: ['default'] }),
  }));
}

/** There are no text commands: what a user writes goes to the model as it is. */
export function commandList(): object[] {
  return [];
}

export const commandsList = method('commands.list', 'operator.read', NO_PARAMS, () => ({
  commands: commandList(),
}));

/** Agents here ask no questions; the Control UI polls for them every 4 s unless it gets this answer. */
export const questionList = method('question.list', 'operator.read', NO_PARAMS, () => ({
  questions: [],
}));
