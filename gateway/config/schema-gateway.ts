/** Schema of the section `gateway`. */

import { limitsSchema } from './schema-limits.ts';
import type { ConfigSchema } from './vocabulary.ts';

const headerName = {
  type: 'string',
  minLength: 1,
  maxLength: 128,
  // Underscores are out: servers in between may fold them into hyphens, which is how headers get forged.
  pattern: '^[A-Za-z0-9][A-Za-z0-9-]*$',
  'x-expects': 'a header name of letters, digits and hyphens, such as X-User-ID',
} as const;

const agentId = {
  type: 'string',
  pattern: '^[a-z0-9][a-z0-9_-]{0,63}$',
  'x-expects': 'an agent id: lower-case letters, digits, "-" and "_", at most 64 characters',
} as const;

const NOT_OUR_JOB =
  'this gateway serves many users behind a reverse proxy that has authenticated them, and takes their identity from its headers';

const refusedMode = (what: string) =>
  ({
    message: `${what} is not served: ${NOT_OUR_JOB}`,
    cure: 'write "trusted-proxy" and list the proxy in gateway.trustedProxies, or run OpenClaw itself for a single user',
  }) as const;

const trustedProxy = {
  type: 'object',
  description: 'How the proxy says who is asking.',
  additionalProperties: false,
  default: {},
  properties: {
    userHeader: {
      ...headerName,
      description: 'Header that carries the id of the authenticated user.',
      default: 'X-User-ID',
    },
    instanceHeader: {
      ...headerName,
      description: 'Header that carries the id of the agent instance that the user opened.',
      default: 'X-Instance-ID',
      'x-oc-gateway': true,
    },
    sessionKeyHeader: {
      ...headerName,
      description: 'Header that names the main session of the socket.',
      default: 'X-Session-Key',
      'x-oc-gateway': true,
    },
    requiredHeaders: {
      type: 'array',
      items: headerName,
      description: 'Headers without which a connection is refused, whatever their value.',
      default: [],
    },
    allowUsers: {
      type: 'array',
      items: { type: 'string', minLength: 1, maxLength: 256 },
      description: 'User ids that may connect. Empty: every user whom the proxy names.',
      default: [],
    },
    allowLoopback: {
      type: 'boolean',
      description:
        'Accept identity headers from a proxy on this machine. Every local process could then send them.',
      default: false,
    },
    secret: {
      type: 'object',
      description:
        'A shared secret that the proxy must send with each connection; compared in constant time.',
      'x-oc-gateway': true,
      'x-unset': 'no secret is asked for',
      additionalProperties: false,
      required: ['header', 'value'],
      properties: {
        header: {
          ...headerName,
          description: 'Header that carries the secret.',
          examples: ['X-Gateway-Secret'],
          'x-oc-gateway': true,
        },
        value: {
          type: 'string',
          minLength: 1,
          maxLength: 1024,
          description: 'The secret itself; keep it in the environment.',
          examples: ['${GATEWAY_SECRET}'],
          'x-secret': true,
          'x-oc-gateway': true,
        },
      },
    },
  },
} as const satisfies ConfigSchema;

const auth = {
  type: 'object',
  description: 'Who may connect.',
  additionalProperties: false,
  default: {},
  properties: {
    mode: {
      type: 'string',
      enum: ['trusted-proxy'],
      description: 'How users are authenticated. Only `trusted-proxy` is served.',
      default: 'trusted-proxy',
      'x-refused': {
        none: refusedMode('A gateway without authentication'),
        token: refusedMode('Authentication by a shared token'),
        password: refusedMode('Authentication by a shared password'),
      },
    },
    trustedProxy,
    identityScopes: {
      type: 'object',
      description:
        'Scopes of single users beyond `operator.read` and `operator.write`, which everyone has on their own sessions.',
      'x-key': 'user',
      default: {},
      additionalProperties: {
        type: 'array',
        description: 'Scopes of this user.',
        items: {
          type: 'string',
          pattern: '^operator\\.[a-z]+(\\.[a-z]+)*$',
          maxLength: 64,
          'x-expects':
            'a scope such as operator.admin (operator.read, operator.write and operator.admin have an effect here)',
        },
        examples: [['operator.admin']],
      },
    },
  },
} as const satisfies ConfigSchema;

const controlUi = {
  type: 'object',
  description: 'Web pages that may connect.',
  additionalProperties: false,
  default: {},
  properties: {
    allowedOrigins: {
      type: 'array',
      items: { type: 'string', format: 'origin', maxLength: 512 },
      description:
        'Origins of web pages that may connect, each exactly as browsers send it: `scheme://host` or `scheme://host:port`. Empty: none.',
      examples: [['https://chat.example.com']],
      default: [],
    },
    dangerouslyDisableDeviceAuth: {
      type: 'boolean',
      description:
        "Take the proxy's word alone. False: a client must also prove a device key (ed25519).",
      default: false,
    },
  },
} as const satisfies ConfigSchema;

const REMOTE_REFUSED = {
  message: 'a gateway that only forwards to another one is not served: this gateway answers itself',
  cure: 'write "local" or remove the key',
} as const;

const TAILNET_REFUSED = {
  message: 'this gateway does not look up the address of a tailnet',
  cure: 'write "custom" and put the tailnet address into gateway.customBindHost',
} as const;

export const gatewaySchema = {
  type: 'object',
  description: 'The listener, who is trusted, and the bounds of the service.',
  additionalProperties: false,
  default: {},
  properties: {
    port: {
      type: 'integer',
      minimum: 0,
      maximum: 65_535,
      description: 'TCP port. 0 picks a free one. `--port` and OPENCLAW_GATEWAY_PORT come first.',
      default: 18_789,
      'x-restart': true,
    },
    workers: {
      type: 'integer',
      minimum: 1,
      maximum: 64,
      description:
        'Processes that serve. Above 1, each listens on a port of its own (`port`, `port` + 1, …), all share one store, and the proxy spreads sessions over them. Limits count in each process by itself, except for stored bytes.',
      default: 1,
      'x-oc-gateway': true,
      'x-restart': true,
    },
    bind: {
      type: 'string',
      enum: ['auto', 'lan', 'loopback', 'custom'],
      description:
        'Address to listen on: `loopback` 127.0.0.1, `lan` all interfaces, `custom` the address in customBindHost, `auto` as when unset.',
      'x-unset':
        'all interfaces if a proxy on another machine is trusted, else loopback; the start log says which',
      'x-restart': true,
      'x-refused': { tailnet: TAILNET_REFUSED },
    },
    customBindHost: {
      type: 'string',
      format: 'ip-address',
      maxLength: 64,
      description: 'IP address to listen on with `bind: "custom"`.',
      examples: ['10.0.0.5'],
      'x-restart': true,
    },
    mode: {
      type: 'string',
      enum: ['local'],
      description: "OpenClaw's switch between serving and forwarding; only `local` is served.",
      default: 'local',
      'x-refused': { remote: REMOTE_REFUSED },
    },
    auth,
    trustedProxies: {
      type: 'array',
      items: { type: 'string', format: 'ip-or-cidr', maxLength: 64 },
      description:
        'Addresses or networks (CIDR, IPv4 and IPv6) of the proxies whose headers are believed. Every other peer gets HTTP 403.',
      examples: [['10.0.0.7', '192.168.4.0/24']],
      default: [],
    },
    allowRealIpFallback: {
      type: 'boolean',
      description:
        'Let `X-Real-IP` of a trusted proxy name the client in the log. It never decides trust.',
      default: false,
    },
    controlUi,
    instances: {
      type: 'object',
      description:
        'Instances that exist, each with the agent that answers there. Others are then refused.',
      'x-oc-gateway': true,
      'x-key': 'instance',
      'x-unset': 'every instance is served by the default agent',
      propertyNames: {
        // No comma: a proxy that joins duplicate headers would make one.
        pattern: '^[!-+\\x2D-~]{1,256}$',
        'x-expects':
          'an instance id: 1 to 256 printable ASCII characters without spaces and commas',
      },
      additionalProperties: {
        ...agentId,
        description: 'Id of an agent in `agents.entries`.',
        'x-oc-gateway': true,
        examples: ['main'],
      },
    },
    admin: {
      type: 'object',
      description:
        "A listener of its own for the portal, which closes sockets there when a user's right ends. Its requests need the token.",
      'x-oc-gateway': true,
      'x-unset': 'there is none',
      additionalProperties: false,
      required: ['port', 'token'],
      properties: {
        host: {
          type: 'string',
          format: 'ip-address',
          maxLength: 64,
          description:
            'IP address to listen on. One that other machines reach needs a token of at least 32 characters.',
          default: '127.0.0.1',
          'x-oc-gateway': true,
          'x-restart': true,
        },
        port: {
          type: 'integer',
          minimum: 0,
          maximum: 65_535,
          description:
            'TCP port, none of those from `gateway.port` on that the workers take. 0 picks a free one; the start log names it.',
          examples: [18_811],
          'x-oc-gateway': true,
          'x-restart': true,
        },
        token: {
          type: 'string',
          minLength: 1,
          maxLength: 1024,
          pattern: '^[!-~]+$',
          'x-expects': 'printable ASCII characters without spaces',
          description: 'What `Authorization: Bearer …` must carry; keep it in the environment.',
          examples: ['${GATEWAY_ADMIN_TOKEN}'],
          'x-secret': true,
          'x-oc-gateway': true,
        },
        operatorToken: {
          type: 'string',
          minLength: 1,
          maxLength: 1024,
          pattern: '^[!-~]+$',
          'x-expects': 'printable ASCII characters without spaces',
          description:
            'A token of the operator alone, for `oc-gateway users delete` while the gateway serves. It may do all that the other may.',
          'x-unset': 'nobody deletes users while the gateway serves',
          examples: ['${GATEWAY_OPERATOR_TOKEN}'],
          'x-secret': true,
          'x-oc-gateway': true,
        },
      },
    },
    limits: limitsSchema,
    streaming: {
      type: 'object',
      description: 'How answers stream.',
      'x-oc-gateway': true,
      additionalProperties: false,
      default: {},
      properties: {
        checkpointMs: {
          type: 'integer',
          minimum: 10,
          maximum: 60_000,
          description:
            'Milliseconds between checkpoints of a streaming answer: what a crash loses at most.',
          default: 250,
          'x-oc-gateway': true,
        },
      },
    },
    storage: {
      type: 'object',
      description: 'Where sessions are kept.',
      'x-oc-gateway': true,
      additionalProperties: false,
      default: {},
      properties: {
        path: {
          type: 'string',
          minLength: 1,
          maxLength: 4096,
          description:
            'SQLite file. A relative path starts in the state directory; a leading `~/` is the home directory.',
          'x-unset': '`oc-gateway.sqlite` in the state directory',
          'x-oc-gateway': true,
          'x-restart': true,
        },
      },
    },
    shutdown: {
      type: 'object',
      description: 'How the gateway stops.',
      'x-oc-gateway': true,
      additionalProperties: false,
      default: {},
      properties: {
        graceSeconds: {
          type: 'integer',
          minimum: 0,
          maximum: 3600,
          description: 'Seconds that running answers get to finish after SIGTERM or SIGINT.',
          default: 10,
          'x-oc-gateway': true,
        },
        spreadSeconds: {
          type: 'integer',
          minimum: 0,
          maximum: 600,
          description:
            'Seconds over which many sockets are closed, so that their clients do not all return at once. A hundred or fewer are closed at once, more at least as fast as a thousand a second.',
          default: 5,
          'x-oc-gateway': true,
        },
      },
    },
  },
} as const satisfies ConfigSchema;
