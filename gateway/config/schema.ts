/**
 * The configuration's one schema: its types, defaults, validation, error messages, the JSON Schema
 * that editors load and docs/configuration.md all come from here.
 */

import type { FromSchema } from 'json-schema-to-ts';
import { agentsSchema } from './schema-agents.ts';
import { gatewaySchema } from './schema-gateway.ts';
import { modelsSchema } from './schema-models.ts';
import type { ConfigSchema } from './vocabulary.ts';

const sessionSchema = {
  type: 'object',
  description: 'Sessions.',
  additionalProperties: false,
  default: {},
  properties: {
    mainKey: {
      type: 'string',
      pattern: '^[^\\s:]{1,128}$',
      'x-expects': 'a session name: at most 128 characters, no ":" and no spaces',
      description:
        "Last part of the main session's key, `agent:<agent>:<mainKey>`, where the proxy names no session.",
      default: 'main',
    },
    maintenance: {
      type: 'object',
      description:
        'Sessions that leave the store by themselves, looked for at the start and every hour. Pinned ones and those with an answer under way stay. Unlike in OpenClaw nothing leaves unless a rule is set.',
      additionalProperties: false,
      default: {},
      properties: {
        mode: {
          type: 'string',
          enum: ['enforce', 'warn'],
          description: '`warn` only logs how many sessions would leave.',
          default: 'enforce',
        },
        pruneAfter: {
          type: ['string', 'integer'],
          minimum: 1,
          maximum: 36_500,
          pattern: '^[1-9][0-9]{0,8}(ms|s|m|h|d|w)?$',
          'x-expects':
            'a duration such as "30d" or "12h" (ms, s, m, h, d, w); a bare number is days',
          description:
            'Sessions leave when there was no message, answer or edit for this long: `"30d"`, `"12h"`; a number is days.',
          'x-unset': 'age is no reason',
          examples: ['180d'],
        },
        maxEntries: {
          type: 'integer',
          minimum: 1,
          maximum: 1_000_000,
          description:
            'Sessions that one user keeps in one instance; those that were updated last.',
          'x-unset': 'number is no reason',
          examples: [500],
        },
      },
    },
  },
} as const satisfies ConfigSchema;

const envSchema = {
  type: 'object',
  description: 'Variables for this file.',
  additionalProperties: false,
  default: {},
  properties: {
    vars: {
      type: 'object',
      description:
        'Values for `${NAME}` where the environment has none. The environment of the process comes first.',
      'x-key': 'NAME',
      default: {},
      additionalProperties: {
        type: 'string',
        maxLength: 65_536,
        description: 'Value of the variable.',
        'x-secret': true,
      },
    },
  },
} as const satisfies ConfigSchema;

const loggingSchema = {
  type: 'object',
  description: 'The log, JSON lines on standard output.',
  additionalProperties: false,
  default: {},
  properties: {
    level: {
      type: 'string',
      enum: ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'],
      description: 'Least severity that is logged.',
      default: 'info',
    },
  },
} as const satisfies ConfigSchema;

export const configSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    $schema: {
      type: 'string',
      maxLength: 2048,
      description: 'Where editors find the JSON Schema of this file; not read by the gateway.',
    },
    gateway: gatewaySchema,
    agents: agentsSchema,
    models: modelsSchema,
    session: sessionSchema,
    env: envSchema,
    logging: loggingSchema,
  },
} as const satisfies ConfigSchema;

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/**
 * A valid configuration with every default filled in, deeply frozen. Its objects have no prototype,
 * so that a name chosen by a client (`constructor`) finds nothing in a map such as `gateway.instances`.
 */
export type Config = DeepReadonly<FromSchema<typeof configSchema>>;
