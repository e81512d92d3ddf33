/** Agents and models as configured: what a run needs to know, free of the configuration's format. */

import type { ModelInfo, ProviderEndpoint, ReasoningEffort } from '../providers/contract.ts';
import type { ApiName } from '../providers/registry.ts';

/** One model that can be called: where it is served, by which API, and what it can do. */
export interface ConfiguredModel {
  /** `provider/model`, as written in openclaw.json. */
  ref: string;
  api: ApiName;
  endpoint: ProviderEndpoint;
  info: ModelInfo;
  /** Calls that its provider is given at once; the rest wait for their turn. */
  maxConcurrentCalls: number;
  /** For people; the id if none is configured. */
  name: string;
}

export interface AgentDefinition {
  id: string;
  name?: string;
  emoji?: string;
  avatar?: string;
  systemPrompt: string;
  /** Primary first, then its fallbacks; empty when no model is configured. */
  models: readonly ConfiguredModel[];
  /** How much a model that can reason should think, unless the message says otherwise. */
  thinking: ReasoningEffort;
  /** Who sees what a model thought: nobody, readers of history, or also those who watch it stream. */
  reasoning: 'off' | 'on' | 'stream';
  /** Bound of a whole run in milliseconds. */
  timeoutMs: number;
  /** Most tokens of prompt and history; absent: what the model's window leaves beside the answer. */
  contextTokens?: number;
  /** Bound of one attachment in bytes. */
  mediaMaxBytes: number;
}

/** A snapshot of all agents and models; replaced as a whole when the configuration changes. */
export interface Catalog {
  defaultAgentId: string;
  agents: ReadonlyMap<string, AgentDefinition>;
  /** By `provider/model`; every model that is configured or named by an agent. */
  models: ReadonlyMap<string, ConfiguredModel>;
}
