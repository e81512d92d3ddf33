/** The configuration's agents and models → what runs use. */

import type { AgentDefinition, Catalog, ConfiguredModel } from '../agents/definition.ts';
import type { ModelInfo, ReasoningEffort } from '../providers/contract.ts';
import type { Config } from './config/schema.ts';
import { agentIds, defaultAgentId, modelChain, splitModelRef } from './config/settings.ts';

type ProviderConfig = Config['models']['providers'][string];
/** OpenClaw's levels in the words that every API has a form of. */
const EFFORTS: Readonly<Record<Config['agents']['defaults']['thinkingDefault'], ReasoningEffort>> =
  {
    off: 'off',
    minimal: 'low',
    low: 'low',
    medium: 'medium',
    adaptive: 'medium',
    high: 'high',
    xhigh: 'high',
    max: 'high',
    ultra: 'high',
  };

/** What a message asks for (`chat.send`'s `thinking`); nothing if it is no level. */
export function effortOf(level: string): ReasoningEffort | undefined {
  return Object.entries(EFFORTS).find(([name]) => name === level)?.[1];
}

const MEBIBYTE = 1024 * 1024;

/** Window of a model that is named by an agent but not listed by its provider. */
const DEFAULT_CONTEXT_WINDOW = 128_000;

/** Pure; references were checked when the configuration was loaded. */
export function buildCatalog(config: Config): Catalog {
  const models = new Map<string, ConfiguredModel>();
  for (const [id, provider] of Object.entries(config.models.providers)) {
    for (const model of provider.models) {
      const info = {
        ...model,
        input: inputsOf(model.input),
        contextWindow: windowOf(model),
        // The default may be a guess; with it an answer is never called cut for its length.
        ...(model.contextWindow !== DEFAULT_CONTEXT_WINDOW && {
          fullContextWindow: model.contextWindow,
        }),
      };
      add(models, id, provider, info, model);
    }
  }
  const agents = new Map(agentIds(config).map((id) => [id, agent(config, models, id)]));
  return { defaultAgentId: defaultAgentId(config), agents, models };
}

function agent(config: Config, models: Map<string, ConfiguredModel>, id: string): AgentDefinition {
  const { defaults } = config.agents;
  const entry = config.agents.entries[id];
  const contextTokens = entry?.contextTokens ?? defaults.contextTokens;
  const name = entry?.identity.name ?? entry?.name;
  return {
    id,
    ...(name !== undefined && { name }),
    ...(entry?.identity.emoji !== undefined && { emoji: entry.identity.emoji }),
    ...(entry?.identity.avatar !== undefined && { avatar: entry.identity.avatar }),
    systemPrompt: entry?.systemPrompt ?? defaults.systemPrompt,
    models: modelChain(config, id).flatMap((ref) => named(config, models, ref)),
    thinking: EFFORTS[entry?.thinkingDefault ?? defaults.thinkingDefault],
    reasoning: entry?.reasoningDefault ?? defaults.reasoningDefault,
    timeoutMs: (entry?.timeoutSeconds ?? defaults.timeoutSeconds) * 1000,
    ...(contextTokens !== undefined && { contextTokens }),
    mediaMaxBytes: Math.floor(defaults.mediaMaxMb * MEBIBYTE),
  };
}

/** A model that its provider does not list gets defaults: many services serve more than is written down. */
function named(
  config: Config,
  models: Map<string, ConfiguredModel>,
  ref: string,
): ConfiguredModel[] {
  const known = models.get(ref);
  if (known) return [known];
  const { provider: id, model } = splitModelRef(ref);
  const provider = config.models.providers[id];
  if (!provider) return [];
  const info: ModelInfo = {
    id: model,
    input: ['text', 'image'],
    reasoning: false,
    contextWindow: DEFAULT_CONTEXT_WINDOW,
  };
  return [add(models, id, provider, info, {})];
}

function add(
  models: Map<string, ConfiguredModel>,
  providerId: string,
  provider: ProviderConfig,
  info: ModelInfo,
  listed: { name?: string; compat?: ProviderConfig['compat'] },
): ConfiguredModel {
  const compat = { ...provider.compat, ...listed.compat };
  const model: ConfiguredModel = {
    ref: `${providerId}/${info.id}`,
    api: provider.api,
    endpoint: {
      id: providerId,
      baseUrl: provider.baseUrl ?? '',
      apiKey: provider.apiKey ?? '',
      headers: provider.headers,
      silenceMs: provider.timeoutSeconds * 1000,
      ...(Object.keys(compat).length > 0 && { compat }),
    },
    info,
    maxConcurrentCalls: provider.maxConcurrentCalls,
    name: listed.name ?? info.id,
  };
  models.set(model.ref, model);
  return model;
}

function inputsOf(inputs: readonly string[]): ModelInfo['input'] {
  return inputs.includes('image') ? ['text', 'image'] : ['text'];
}

/** `contextTokens` is what an operator allows of the window that the model has. */
function windowOf(model: { contextWindow: number; contextTokens?: number }): number {
  return Math.min(model.contextWindow, model.contextTokens ?? model.contextWindow);
}
