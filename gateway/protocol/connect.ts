/** The first request: who the client says it is, and which protocol and role it wants. */

import type { JSONSchema } from 'json-schema-to-ts';
import { CLOSES, type Close, closeFor } from './close-codes.ts';
import { detailedError, type ProtocolError, protocolError } from './errors.ts';
import { compileParams, type ParamsOf } from './params.ts';

/** The one protocol version that this gateway speaks. */
export const PROTOCOL_VERSION = 4;

const text = { type: 'string', minLength: 1 } as const;

/** Ids and modes are those of the published `ConnectParams` schema. */
export const CONNECT_PARAMS = {
  type: 'object',
  required: ['minProtocol', 'maxProtocol', 'client'],
  properties: {
    minProtocol: { type: 'integer', minimum: 1 },
    maxProtocol: { type: 'integer', minimum: 1 },
    client: {
      type: 'object',
      required: ['id', 'version', 'platform', 'mode'],
      properties: {
        id: {
          type: 'string',
          enum: [
            'webchat-ui',
            'openclaw-control-ui',
            'openclaw-browser-copilot',
            'openclaw-tui',
            'webchat',
            'cli',
            'gateway-client',
            'openclaw-macos',
            'openclaw-linux',
            'openclaw-ios',
            'openclaw-watchos',
            'openclaw-android',
            'node-host',
            'openclaw-worker',
            'test',
            'fingerprint',
            'openclaw-probe',
          ],
        },
        mode: {
          type: 'string',
          enum: ['webchat', 'cli', 'ui', 'backend', 'node', 'worker', 'probe', 'test'],
        },
        displayName: text,
        version: text,
        platform: text,
        deviceFamily: text,
        instanceId: text,
      },
    },
    role: text,
    scopes: { type: 'array', items: text },
    caps: { type: 'array', items: text },
    auth: {
      type: 'object',
      properties: {
        token: { type: 'string' },
        deviceToken: { type: 'string' },
        bootstrapToken: { type: 'string' },
      },
    },
    device: {
      type: 'object',
      required: ['id', 'publicKey', 'signature', 'signedAt', 'nonce'],
      properties: {
        id: text,
        publicKey: text,
        signature: text,
        signedAt: { type: 'integer', minimum: 0 },
        nonce: text,
      },
    },
    locale: { type: 'string' },
    userAgent: { type: 'string' },
  },
} as const satisfies JSONSchema;

const checkConnect = compileParams('connect', CONNECT_PARAMS);

export type ConnectParams = ParamsOf<typeof checkConnect>;

/** An error response to `connect`, then a close. */
export interface HandshakeRefusal {
  readonly error: ProtocolError;
  readonly close: Close;
}

export type ConnectDecision =
  | { readonly ok: true; readonly connect: ConnectParams; readonly role: 'operator' }
  | ({ readonly ok: false } & HandshakeRefusal);

/**
 * Judges the params of `connect`: shape, then protocol range, then role (absent: `operator`).
 * Identity is no part of it: that is the proxy's word, judged in gateway/trust.
 */
export function readConnect(params: unknown): ConnectDecision {
  const checked = checkConnect(params);
  if (!checked.ok) return { ok: false, ...refusal(checked.error) };
  const { minProtocol, maxProtocol, role } = checked.params;
  if (minProtocol > PROTOCOL_VERSION || maxProtocol < PROTOCOL_VERSION) {
    return {
      ok: false,
      error: detailedError('PROTOCOL_MISMATCH', 'protocol mismatch', {
        clientMinProtocol: minProtocol,
        clientMaxProtocol: maxProtocol,
        expectedProtocol: PROTOCOL_VERSION,
      }),
      close: { code: CLOSES.protocolMismatch.code, reason: CLOSES.protocolMismatch.reason },
    };
  }
  switch (role) {
    case undefined:
    case 'operator':
      return { ok: true, connect: checked.params, role: 'operator' };
    case 'node':
      return {
        ok: false,
        ...refusal(detailedError('ROLE_NOT_SERVED', 'this gateway does not serve the role node')),
      };
    default:
      return { ok: false, ...refusal(protocolError('INVALID_REQUEST', 'invalid role')) };
  }
}

/** Refuses a handshake: the close repeats the message, for clients that only look there. */
export function refusal(error: ProtocolError): HandshakeRefusal {
  return { error, close: closeFor('refused', error.message) };
}
