/** Schema of the section `agents`. */

import type { ConfigSchema } from './vocabulary.ts';

const modelRef = {
  type: 'string',
  pattern: '^[^/\\s]+/\\S+$',
  maxLength: 256,
  'x-expects': 'a model as "provider/model", such as "oneapi/gpt-4o-mini"',
} as const;

/** The keywords for strings and those for objects apply each to their own type. */
const modelChoice = {
  ...modelRef,
  type: ['string', 'object'],
  additionalProperties: false,
  required: ['primary'],
  properties: {
    primary: { ...modelRef, description: 'The model that is asked first.' },
    fallbacks: {
      type: 'array',
      items: modelRef,
      description:
        'Models that are asked in this order when the one before fails before its first token.',
      default: [],
    },
  },
  examples: ['oneapi/gpt-4o-mini'],
} as const;

const systemPrompt = { type: 'string', maxLength: 1_000_000 } as const;
const runTimeout = { type: 'integer', minimum: 1, maximum: 604_800 } as const;
/** OpenClaw's levels; `EFFORTS` in gateway/catalog.ts says what each asks of an API. */
const thinkingLevel = {
  type: 'string',
  enum: ['off', 'minimal', 'low', 'medium', 'high', 'xhigh', 'adaptive', 'max', 'ultra'],
} as const;
const reasoningShown = { type: 'string', enum: ['off', 'on', 'stream'] } as const;
const contextTokens = { type: 'integer', minimum: 256, maximum: 100_000_000 } as const;

const defaults = {
  type: 'object',
  description: 'What holds for every agent that does not say otherwise.',
  additionalProperties: false,
  default: {},
  properties: {
    model: {
      ...modelChoice,
      description:
        'Model that answers, as `"provider/model"`, or `{ primary, fallbacks }` for a chain.',
      'x-unset':
        'no model is configured: users connect, and a message is refused with an error that names this key',
    },
    systemPrompt: {
      ...systemPrompt,
      description: 'Instructions that come before the conversation.',
      default: '',
      'x-oc-gateway': true,
    },
    timeoutSeconds: {
      ...runTimeout,
      description: 'Seconds that a whole answer may take, retries and fallbacks included.',
      default: 600,
    },
    contextTokens: {
      ...contextTokens,
      description:
        'Most tokens of prompt and history in one call; the oldest turns are dropped first.',
      'x-unset': "what the model's context window leaves beside the answer",
      'x-oc-gateway': true,
    },
    thinkingDefault: {
      ...thinkingLevel,
      description:
        'How much a model that can reason should think before it answers, unless the message says otherwise. `off` asks for nothing.',
      default: 'off',
    },
    reasoningDefault: {
      ...reasoningShown,
      description:
        'Whether users see what a model thought: `off` keeps it in the transcript only, `on` shows it in history, `stream` also while it comes.',
      default: 'off',
    },
    mediaMaxMb: {
      type: 'number',
      minimum: 0,
      maximum: 64,
      description:
        'Largest attachment in MiB. 0 refuses attachments. Those of one message may be 20 MiB together, or as large as one; so may all images that a model is sent at once, of which it gets the newest.',
      default: 5,
    },
  },
} as const satisfies ConfigSchema;

const entry = {
  type: 'object',
  description: 'One agent.',
  additionalProperties: false,
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 200, description: 'Name for people.' },
    default: {
      type: 'boolean',
      description: 'The agent of everyone whose instance names no other. At most one agent.',
      default: false,
    },
    description: { type: 'string', maxLength: 2000, description: 'What the agent is for.' },
    identity: {
      type: 'object',
      description: 'How the agent presents itself in clients.',
      additionalProperties: false,
      default: {},
      properties: {
        name: { type: 'string', maxLength: 200, description: 'Name that clients show.' },
        emoji: { type: 'string', maxLength: 64, description: 'Emoji that clients show.' },
        theme: { type: 'string', maxLength: 200, description: 'Character in a few words.' },
        avatar: { type: 'string', maxLength: 65_536, description: 'URL or data URL of an image.' },
      },
    },
    model: {
      ...modelChoice,
      description: 'As in `agents.defaults`; replaces the whole chain.',
      'x-unset': 'as in `agents.defaults`',
    },
    systemPrompt: {
      ...systemPrompt,
      description: 'Instructions that come before the conversation.',
      'x-unset': 'as in `agents.defaults`',
      'x-oc-gateway': true,
    },
    timeoutSeconds: {
      ...runTimeout,
      description: 'Seconds that a whole answer may take.',
      'x-unset': 'as in `agents.defaults`',
      'x-oc-gateway': true,
    },
    contextTokens: {
      ...contextTokens,
      description: 'Most tokens of prompt and history in one call.',
      'x-unset': 'as in `agents.defaults`',
      'x-oc-gateway': true,
    },
    thinkingDefault: {
      ...thinkingLevel,
      description: 'As in `agents.defaults`, for this agent.',
      'x-unset': 'as in `agents.defaults`',
    },
    reasoningDefault: {
      ...reasoningShown,
      description: 'As in `agents.defaults`, for this agent.',
      'x-unset': 'as in `agents.defaults`',
    },
  },
} as const satisfies ConfigSchema;

export const agentsSchema = {
  type: 'object',
  description: 'The agents and what they answer with.',
  additionalProperties: false,
  default: {},
  properties: {
    defaults,
    entries: {
      type: 'object',
      description:
        'The agents by id. The default agent is the one with `default: true`, else the first. Empty: one agent, `main`.',
      'x-key': 'agent',
      default: {},
      propertyNames: {
        pattern: '^[a-z0-9][a-z0-9_-]{0,63}$',
        'x-expects': 'an agent id: lower-case letters, digits, "-" and "_", at most 64 characters',
      },
      additionalProperties: entry,
    },
  },
} as const satisfies ConfigSchema;
