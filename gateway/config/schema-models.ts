/** Schema of the section `models`. */

import { API_NAMES } from '../../providers/registry.ts';
import type { Advice, ConfigSchema } from './vocabulary.ts';

const apiRefused = (api: string): Advice => ({
  message: `the API "${api}" of OpenClaw is not served by this gateway`,
  cure: `write one of ${API_NAMES.join(', ')}; most services also speak openai-completions`,
});

const httpHeaderName = {
  pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$",
  'x-expects': 'the name of an HTTP header',
} as const;

/** Mirrors `OpenAiCompat` of providers/openai-compat.ts; the catalogue's types hold them together. */
const compat = {
  type: 'object',
  additionalProperties: false,
  properties: {
    maxTokensField: {
      type: 'string',
      enum: ['max_tokens', 'max_completion_tokens'],
      description: 'Field that bounds the answer.',
      'x-unset': 'what is known of the endpoint and the model',
    },
    systemRole: {
      type: 'string',
      enum: ['system', 'developer', 'user'],
      description: 'Role of the system prompt.',
      'x-unset': 'what is known of the endpoint and the model',
      'x-oc-gateway': true,
    },
    supportsUsageInStreaming: {
      type: 'boolean',
      description: 'Whether `stream_options.include_usage` is understood.',
      'x-unset': 'what is known of the endpoint',
    },
    supportsReasoningEffort: {
      type: 'boolean',
      description: 'Whether `reasoning_effort` is understood.',
      'x-unset': 'what is known of the endpoint',
    },
    requiresToolResultName: {
      type: 'boolean',
      description: "Whether a tool result repeats the tool's name.",
      'x-unset': 'what is known of the endpoint',
    },
    requiresAssistantAfterToolResult: {
      type: 'boolean',
      description: "Whether an assistant message must follow tool results before the user's next.",
      'x-unset': 'what is known of the endpoint',
    },
    requiresShortToolIds: {
      type: 'boolean',
      description: 'Whether tool call ids must be nine letters or digits.',
      'x-unset': 'what is known of the endpoint',
      'x-oc-gateway': true,
    },
  },
} as const satisfies ConfigSchema;

const model = {
  type: 'object',
  description: 'One model of this provider.',
  additionalProperties: false,
  required: ['id'],
  properties: {
    id: {
      type: 'string',
      minLength: 1,
      maxLength: 200,
      pattern: '^\\S+$',
      'x-expects': 'a model name without spaces',
      description: 'Name that the API knows.',
      examples: ['gpt-4o-mini'],
    },
    name: {
      type: 'string',
      minLength: 1,
      maxLength: 200,
      description: 'Name for people.',
      'x-unset': 'the id',
    },
    reasoning: {
      type: 'boolean',
      description: 'The model can think before it answers.',
      default: false,
    },
    input: {
      type: 'array',
      items: {
        type: 'string',
        enum: ['text', 'image', 'audio', 'video'],
      },
      description: 'Kinds of input that the model takes; `text` and `image` have an effect here.',
      default: ['text'],
    },
    tools: {
      type: 'boolean',
      description: 'The model can call tools.',
      default: true,
      'x-oc-gateway': true,
    },
    contextWindow: {
      type: 'integer',
      minimum: 256,
      maximum: 100_000_000,
      description: 'Tokens that prompt and answer share.',
      default: 128_000,
    },
    contextTokens: {
      type: 'integer',
      minimum: 256,
      maximum: 100_000_000,
      description: 'Tokens of the window that this gateway uses.',
      'x-unset': '`contextWindow`',
    },
    maxTokens: {
      type: 'integer',
      minimum: 1,
      maximum: 100_000_000,
      description: 'Most tokens of one answer.',
      'x-unset': "the API's own default",
    },
    compat: {
      ...compat,
      description:
        'What this model does differently from what is known of it; OpenAI-compatible APIs only.',
      'x-unset': "as in the provider's `compat`",
    },
  },
} as const satisfies ConfigSchema;

const provider = {
  type: 'object',
  description: 'One endpoint that serves models.',
  additionalProperties: false,
  properties: {
    baseUrl: {
      type: 'string',
      format: 'http-url',
      maxLength: 2048,
      description:
        'Address of the API, with or without its version segment (`/v1`). Needed by every API but `demo`.',
      examples: ['https://one-api.example.com/v1'],
    },
    apiKey: {
      type: 'string',
      maxLength: 8192,
      pattern: '^[!-~]*$',
      'x-expects': 'a key of printable characters, without spaces or line breaks',
      description: 'Key of the API; keep it in the environment.',
      examples: ['${ONE_API_KEY}'],
      'x-unset': 'no key is sent',
      'x-secret': true,
    },
    api: {
      type: 'string',
      enum: API_NAMES,
      description: 'Protocol that the endpoint speaks. `demo` is built in and needs no endpoint.',
      default: 'openai-completions',
      'x-refused': {
        'openai-chatgpt-responses': apiRefused('openai-chatgpt-responses'),
        'openai-codex-responses': apiRefused('openai-codex-responses'),
        'github-copilot': apiRefused('github-copilot'),
        'bedrock-converse-stream': apiRefused('bedrock-converse-stream'),
        'azure-openai-responses': apiRefused('azure-openai-responses'),
      },
    },
    headers: {
      type: 'object',
      description: 'Headers that go with each request.',
      'x-key': 'header',
      default: {},
      propertyNames: httpHeaderName,
      additionalProperties: {
        type: 'string',
        maxLength: 8192,
        pattern: '^[\\t\\x20-\\x7E\\x80-\\xFF]*$',
        'x-expects': 'a header value of Latin-1 characters, without line breaks',
        description: 'Value of the header.',
        'x-secret': true,
      },
    },
    timeoutSeconds: {
      type: 'integer',
      minimum: 1,
      maximum: 86_400,
      description:
        'Longest silence of the endpoint in seconds: before its headers, before the first token and between tokens.',
      default: 120,
    },
    maxConcurrentCalls: {
      type: 'integer',
      minimum: 1,
      maximum: 100_000,
      description:
        'Calls that this endpoint is given at once. Further ones wait, and users take turns.',
      default: 512,
      'x-oc-gateway': true,
    },
    compat: {
      ...compat,
      description:
        'What this endpoint does differently from what is known of it; OpenAI-compatible APIs only.',
      'x-unset': 'what is known of the endpoint',
      'x-oc-gateway': true,
    },
    models: {
      type: 'array',
      items: model,
      description:
        'The models that users can choose, with their capabilities. A model that is not listed can still be named by an agent; it counts as one for text and images with a window of 128000 tokens.',
      default: [],
    },
  },
} as const satisfies ConfigSchema;

export const modelsSchema = {
  type: 'object',
  description: 'Where models are served.',
  additionalProperties: false,
  default: {},
  properties: {
    mode: {
      type: 'string',
      enum: ['merge', 'replace'],
      description:
        "OpenClaw's rule for its built-in catalogue. This gateway has none, so both mean the same.",
      default: 'merge',
    },
    providers: {
      type: 'object',
      description: 'Endpoints by id. A model is named `"<provider id>/<model id>"`.',
      'x-key': 'provider',
      default: {},
      propertyNames: {
        pattern: '^[^/\\s]{1,64}$',
        'x-expects': 'a provider id: at most 64 characters, no "/" and no spaces',
      },
      additionalProperties: provider,
    },
  },
} as const satisfies ConfigSchema;
