/**
 * Device identity: a browser's own key signs the handshake. It proves that the same browser
 * returned; who the user is remains the proxy's word. The signed text is that of
 * @openclaw/gateway-client (`buildDeviceAuthPayloadV3`; v2 lacks the last two fields).
 */

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { type ConnectParams, type HandshakeRefusal, refusal } from '../protocol/connect.ts';
import { type DetailCode, detailedError } from '../protocol/errors.ts';

/**
 * How far `signedAt` may be from this clock, either way: OpenClaw's two minutes. Replay is not
 * what it guards against (the nonce is fresh per connection) but a signature made ahead of time.
 */
export const SIGNATURE_SKEW_MS = 120_000;

const ED25519_KEY_BYTES = 32;

export interface Challenge {
  /** The nonce sent in this connection's `connect.challenge`. */
  readonly nonce: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** False (`dangerouslyDisableDeviceAuth`): a device is neither asked for nor judged. */
  readonly required: boolean;
}

export type DeviceDecision =
  | { readonly ok: true; readonly deviceId?: string }
  | ({ readonly ok: false } & HandshakeRefusal);

type Device = NonNullable<ConnectParams['device']>;

const REFUSALS = {
  CONTROL_UI_DEVICE_IDENTITY_REQUIRED: ['device identity required', undefined],
  DEVICE_AUTH_DEVICE_ID_MISMATCH: ['device identity mismatch', 'device-id-mismatch'],
  DEVICE_AUTH_SIGNATURE_EXPIRED: ['device signature expired', 'device-signature-stale'],
  DEVICE_AUTH_NONCE_REQUIRED: ['device nonce required', 'device-nonce-missing'],
  DEVICE_AUTH_NONCE_MISMATCH: ['device nonce mismatch', 'device-nonce-mismatch'],
  DEVICE_AUTH_PUBLIC_KEY_INVALID: ['device public key invalid', 'device-public-key'],
  DEVICE_AUTH_SIGNATURE_INVALID: ['device signature invalid', 'device-signature'],
} as const satisfies Partial<Record<DetailCode, readonly [string, string | undefined]>>;

type DeviceProblem = keyof typeof REFUSALS;

/** Judges the `device` of a `connect` whose shape was checked. Never throws. */
export function judgeDevice(connect: ConnectParams, challenge: Challenge): DeviceDecision {
  if (!challenge.required) return { ok: true };
  const { device } = connect;
  if (!device) return refused('CONTROL_UI_DEVICE_IDENTITY_REQUIRED');
  const problem = findProblem(device, connect, challenge);
  return problem ? refused(problem) : { ok: true, deviceId: device.id };
}

function findProblem(
  device: Device,
  connect: ConnectParams,
  { nonce, now }: Challenge,
): DeviceProblem | undefined {
  const rawKey = Buffer.from(device.publicKey, 'base64url');
  const id = createHash('sha256').update(rawKey).digest('hex');
  if (device.id !== id) return 'DEVICE_AUTH_DEVICE_ID_MISMATCH';
  if (Math.abs(now - device.signedAt) > SIGNATURE_SKEW_MS) return 'DEVICE_AUTH_SIGNATURE_EXPIRED';
  if (device.nonce.trim() === '') return 'DEVICE_AUTH_NONCE_REQUIRED';
  if (device.nonce !== nonce) return 'DEVICE_AUTH_NONCE_MISMATCH';
  const key = importKey(rawKey);
  if (!key) return 'DEVICE_AUTH_PUBLIC_KEY_INVALID';
  const signature = Buffer.from(device.signature, 'base64url');
  const signed = signedTexts(device, connect).some((text) =>
    verify(null, Buffer.from(text, 'utf8'), key, signature),
  );
  return signed ? undefined : 'DEVICE_AUTH_SIGNATURE_INVALID';
}

/** What the client may have signed, newest version first. */
function signedTexts(device: Device, connect: ConnectParams): readonly string[] {
  const { client, auth } = connect;
  const common = [
    device.id,
    client.id,
    client.mode,
    connect.role ?? 'operator',
    (connect.scopes ?? []).join(','),
    String(device.signedAt),
    auth?.token ?? auth?.deviceToken ?? auth?.bootstrapToken ?? '',
    device.nonce,
  ];
  const metadata = [foldMetadata(client.platform), foldMetadata(client.deviceFamily)];
  return [['v3', ...common, ...metadata].join('|'), ['v2', ...common].join('|')];
}

/** As the client folds platform and device family before it signs: trimmed, ASCII lower case. */
function foldMetadata(value = ''): string {
  return value.trim().replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function importKey(rawKey: Buffer): KeyObject | undefined {
  if (rawKey.length !== ED25519_KEY_BYTES) return undefined;
  try {
    const x = rawKey.toString('base64url');
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  } catch {
    return undefined;
  }
}

function refused(problem: DeviceProblem): DeviceDecision {
  const [message, reason] = REFUSALS[problem];
  return { ok: false, ...refusal(detailedError(problem, message, reason ? { reason } : {})) };
}
