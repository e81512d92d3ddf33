/** portal.json's one schema: its types, defaults, checks, and what each key means. */

import type { FromSchema } from 'json-schema-to-ts';

/** Seconds, with a default. */
function seconds<const D extends number, const M extends number>(
  defaultValue: D,
  maximum: M,
  description: string,
) {
  return { type: 'integer', minimum: 1, maximum, default: defaultValue, description } as const;
}

/** How many in one minute. */
function perMinute<const D extends number>(defaultValue: D, description: string) {
  return {
    type: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    default: defaultValue,
    description,
  } as const;
}

const secret = { type: 'string', minLength: 32, maxLength: 1024 } as const;

const tokensSchema = {
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {
    accessSeconds: seconds(900, 86_400, 'How long an access token (JWT) is good for.'),
    refreshSeconds: seconds(2_592_000, 31_536_000, 'How long a login lasts without being used.'),
    refreshReuseSeconds: seconds(
      10,
      60,
      'How long a traded refresh token works again: two tabs may send the same.',
    ),
    webchatSeconds: seconds(60, 3_600, 'How long the token of a handshake is good for.'),
    reuseSeconds: seconds(3, 60, 'How long after its first use a handshake token works again.'),
    ticketSeconds: seconds(900, 86_400, 'How long a sign-in ticket is good for.'),
  },
} as const;

const limitsSchema = {
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {
    loginsPerAddress: perMinute(30, 'Sign-ins an address (an IPv6 /64) may try in a minute.'),
    loginsPerUser: perMinute(10, 'Sign-ins that may be tried for a user in a minute.'),
    refreshesPerAddress: perMinute(240, 'Refreshes an address may ask for in a minute.'),
    sessionsPerUser: perMinute(60, 'Sessions a user may create in a minute.'),
  },
} as const;

export const portalSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['database', 'jwtSecret', 'internalSecret', 'publicWsBase'],
  properties: {
    $schema: { type: 'string' },
    listen: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        host: { type: 'string', minLength: 1, default: '127.0.0.1' },
        port: { type: 'integer', minimum: 0, maximum: 65_535, default: 18_800 },
      },
    },
    /** Relative to the file that names it. */
    database: { type: 'string', minLength: 1 },
    jwtSecret: secret,
    internalSecret: secret,
    publicWsBase: { type: 'string', format: 'ws-base' },
    allowedOrigins: { type: 'array', items: { type: 'string', format: 'origin' }, default: [] },
    apiBase: { type: 'string', format: 'origin-or-empty', default: '' },
    connectSrc: { type: 'array', items: { type: 'string', format: 'connect-source' }, default: [] },
    pageDir: { type: 'string', minLength: 1 },
    trustedProxies: { type: 'array', items: { type: 'string', format: 'ip-range' }, default: [] },
    gateways: {
      type: 'array',
      default: [],
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['adminUrl', 'token'],
        properties: {
          adminUrl: { type: 'string', format: 'http-origin' },
          token: { type: 'string', minLength: 1, maxLength: 1024 },
        },
      },
    },
    tokens: tokensSchema,
    limits: limitsSchema,
    logging: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        level: {
          type: 'string',
          enum: ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'],
          default: 'info',
        },
      },
    },
  },
} as const;

export type PortalConfig = Readonly<FromSchema<typeof portalSchema>>;
export type TokenLives = Readonly<PortalConfig['tokens']>;

/** What a value of each format has to be, for people. */
export const FORMATS: Readonly<Record<string, string>> = {
  'ws-base': 'a wss:// (or ws://) address that ends in "/", such as "wss://api.example.com/oc-ws/"',
  origin: 'an origin, such as "https://app.example.com", without a path',
  'origin-or-empty': 'an origin, such as "https://m.example.com", or "" for the page\'s own',
  'http-origin': 'an http:// or https:// address without a path, such as "http://127.0.0.1:18811"',
  'connect-source': 'an http, https, ws or wss origin, such as "wss://api.example.com"',
  'ip-range': 'an IP address or a CIDR range',
};
