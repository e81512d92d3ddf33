/** The answer to `connect`: what the gateway is, what it granted and what it will accept. */

import { PROTOCOL_VERSION } from './connect.ts';

export interface HelloInput {
  /** Of this software. */
  readonly version: string;
  /** Unique per connection; appears in logs. */
  readonly connId: string;
  /** Exactly what is served: clients hide what is not listed. */
  readonly methods: readonly string[];
  readonly events: readonly string[];
  readonly uptimeMs: number;
  readonly scopes: readonly string[];
  readonly session: {
    readonly defaultAgentId: string;
    /** False tells the client that a send will fail for want of a model. */
    readonly modelConfigured: boolean;
    readonly mainKey: string;
    readonly mainSessionKey: string;
  };
  readonly policy: {
    /** Bytes of the largest frame that a client may send. */
    readonly maxPayload: number;
    /** Bytes that may wait for a slow reader. */
    readonly maxBufferedBytes: number;
    /** Milliseconds between ticks; a client gives up after two of them in silence. */
    readonly tickIntervalMs: number;
    /** Bytes, decoded. Absent: no attachments. */
    readonly attachments?: { readonly maxBytes: number; readonly maxImageBytes: number };
  };
}

/**
 * The payload of the response to `connect` (published as `HelloOk`). It leaves out
 * `server.buildId`, which makes OpenClaw's Control UI reload for ever when it is not its own.
 */
export function buildHello(input: HelloInput) {
  const { session, policy } = input;
  return {
    type: 'hello-ok',
    protocol: PROTOCOL_VERSION,
    server: { version: input.version, connId: input.connId },
    features: { methods: [...input.methods], events: [...input.events] },
    snapshot: {
      // Nobody else is to be seen: a user's world holds that user only.
      presence: [],
      health: {},
      stateVersion: { presence: 0, health: 0 },
      uptimeMs: Math.max(0, Math.floor(input.uptimeMs)),
      sessionDefaults: {
        defaultAgentId: session.defaultAgentId,
        modelConfigured: session.modelConfigured,
        mainKey: session.mainKey,
        mainSessionKey: session.mainSessionKey,
      },
      authMode: 'trusted-proxy',
    },
    auth: { role: 'operator', scopes: [...input.scopes] },
    policy: {
      maxPayload: policy.maxPayload,
      maxBufferedBytes: policy.maxBufferedBytes,
      tickIntervalMs: policy.tickIntervalMs,
      ...(policy.attachments && {
        attachments: {
          maxBytes: policy.attachments.maxBytes,
          maxImageBytes: policy.attachments.maxImageBytes,
        },
      }),
    },
  } as const;
}
