/**
 * How endpoints that speak "OpenAI chat completions" differ from each other, as data. Names follow
 * OpenClaw's `compat` section where it has one.
 */

import type { StopReason } from './contract.ts';

export interface OpenAiCompat {
  /** Field that bounds the answer; newer OpenAI models refuse the older one. */
  maxTokensField: 'max_tokens' | 'max_completion_tokens';
  /** Role of the system prompt. */
  systemRole: 'system' | 'developer' | 'user';
  /** Whether `stream_options.include_usage` is understood. */
  supportsUsageInStreaming: boolean;
  /** Whether `reasoning_effort` is understood. */
  supportsReasoningEffort: boolean;
  /** Whether a tool result repeats the tool's name. */
  requiresToolResultName: boolean;
  /** Whether an assistant message must stand between tool results and the user's next message. */
  requiresAssistantAfterToolResult: boolean;
  /** Whether tool call ids must be nine letters or digits. */
  requiresShortToolIds: boolean;
  /** Fields of a delta that carry reasoning, the first that is present counts. */
  reasoningFields: readonly string[];
  /** Field in which an assistant message carries its reasoning back; absent: it is left out. */
  reasoningReturnField?: string;
}

const DEFAULTS: OpenAiCompat = {
  maxTokensField: 'max_tokens',
  systemRole: 'system',
  supportsUsageInStreaming: true,
  supportsReasoningEffort: true,
  requiresToolResultName: false,
  requiresAssistantAfterToolResult: false,
  requiresShortToolIds: false,
  reasoningFields: ['reasoning_content', 'reasoning'],
};

interface Difference {
  /** Host name or its end, e.g. `mistral.ai`. */
  host?: string;
  /** Model id, wherever it is served. */
  model?: RegExp;
  compat: Partial<OpenAiCompat>;
}

/** From each vendor's public API reference. Later rows win over earlier ones. */
const DIFFERENCES: readonly Difference[] = [
  // OpenAI's reasoning models take neither `max_tokens` nor a system role, also behind a relay.
  {
    model: /^(?:openai\/)?(?:o\d|gpt-[5-9])/,
    compat: { maxTokensField: 'max_completion_tokens', systemRole: 'developer' },
  },
  { host: 'api.openai.com', compat: { maxTokensField: 'max_completion_tokens' } },
  // https://docs.mistral.ai/api: validates tool ids and refuses a user right after a tool.
  {
    host: 'mistral.ai',
    compat: {
      supportsUsageInStreaming: false,
      supportsReasoningEffort: false,
      requiresToolResultName: true,
      requiresAssistantAfterToolResult: true,
      requiresShortToolIds: true,
    },
  },
  // https://api-docs.deepseek.com: thinks or not by the model's name; wants its thoughts back in a tool loop.
  {
    host: 'deepseek.com',
    compat: { supportsReasoningEffort: false, reasoningReturnField: 'reasoning_content' },
  },
  // https://platform.moonshot.ai/docs: likewise.
  {
    host: 'moonshot.ai',
    compat: { supportsReasoningEffort: false, reasoningReturnField: 'reasoning_content' },
  },
  {
    host: 'moonshot.cn',
    compat: { supportsReasoningEffort: false, reasoningReturnField: 'reasoning_content' },
  },
  { host: 'bigmodel.cn', compat: { supportsReasoningEffort: false } },
  { host: 'api.z.ai', compat: { supportsReasoningEffort: false } },
];

/** What holds for one model of one endpoint: defaults, then the table, then the configuration. */
export function openAiCompat(
  baseUrl: string,
  model: string,
  configured: Partial<OpenAiCompat> = {},
): OpenAiCompat {
  const host = URL.canParse(baseUrl) ? new URL(baseUrl).hostname : '';
  const found = DIFFERENCES.filter(
    (row) =>
      (row.host === undefined || host === row.host || host.endsWith(`.${row.host}`)) &&
      (row.model === undefined || row.model.test(model)),
  );
  return Object.assign({}, DEFAULTS, ...found.map((row) => row.compat), configured);
}

/** Ends that are no answer but a breakdown in disguise. */
export const BROKEN_FINISH = 'broken';

/** What `finish_reason` means; a value that is not listed counts as `stop`. */
export const FINISH_REASONS: Readonly<Record<string, StopReason | typeof BROKEN_FINISH>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_use',
  function_call: 'tool_use',
  content_filter: 'content_filter',
  // Anthropic's words, passed through by relays.
  end_turn: 'stop',
  max_tokens: 'length',
  tool_use: 'tool_use',
  refusal: 'refusal',
  // Mistral.
  model_length: 'length',
  // Zhipu.
  sensitive: 'content_filter',
  network_error: BROKEN_FINISH,
  // DeepSeek.
  insufficient_system_resource: BROKEN_FINISH,
  // Mistral, OpenRouter.
  error: BROKEN_FINISH,
};
