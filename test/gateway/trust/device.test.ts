import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { buildDeviceAuthPayload, buildDeviceAuthPayloadV3 } from '@openclaw/gateway-client/browser';
import { describe, expect, it } from 'vitest';
import type { ConnectParams } from '../../../gateway/protocol/connect.ts';
import { judgeDevice, SIGNATURE_SKEW_MS } from '../../../gateway/trust/device.ts';

const NOW = 1_795_418_601_732;
const NONCE = 'eedebf44-846b-4898-82b8-da18328c4bb4';
const CHALLENGE = { nonce: NONCE, now: NOW, required: true };

const pair = generateKeyPairSync('ed25519');
const rawKey = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
const DEVICE_ID = createHash('sha256').update(rawKey).digest('hex');

interface Signing {
  key?: KeyObject;
  version?: 2 | 3;
  signedAt?: number;
  nonce?: string;
  scopes?: string[];
  auth?: ConnectParams['auth'];
  /** What the signature covers instead of `auth.token`. */
  signedToken?: string;
}

/** A connect whose device is signed by the reference client's own payload builder. */
function signedConnect(options: Signing = {}) {
  const { version = 3, signedAt = NOW, nonce = NONCE, scopes = ['operator.read'], auth } = options;
  const client = {
    id: 'openclaw-control-ui',
    version: '2026.9.6',
    platform: ' MacIntel ',
    deviceFamily: 'Desktop',
    mode: 'webchat',
  } as const;
  const build = version === 3 ? buildDeviceAuthPayloadV3 : buildDeviceAuthPayload;
  const payload = build({
    deviceId: DEVICE_ID,
    clientId: client.id,
    clientMode: client.mode,
    role: 'operator',
    scopes,
    signedAtMs: signedAt,
    token: options.signedToken ?? auth?.token ?? null,
    nonce,
    platform: client.platform,
    deviceFamily: client.deviceFamily,
  });
  const signature = sign(null, Buffer.from(payload), options.key ?? pair.privateKey);
  return {
    minProtocol: 4,
    maxProtocol: 4,
    client,
    role: 'operator',
    scopes,
    ...(auth && { auth }),
    device: {
      id: DEVICE_ID,
      publicKey: rawKey.toString('base64url'),
      signature: signature.toString('base64url'),
      signedAt,
      nonce,
    },
  };
}

function judged(connect: ConnectParams, challenge = CHALLENGE) {
  const decision = judgeDevice(connect, challenge);
  return decision.ok ? 'ok' : decision.error.details?.code;
}

describe('a signed device', () => {
  it.each<[string, Signing]>([
    ['v3', {}],
    ['v2', { version: 2 }],
    ['with a token', { auth: { token: 't' } }],
    ['with a device token', { auth: { deviceToken: 'd' }, signedToken: 'd' }],
    ['with a bootstrap token', { auth: { bootstrapToken: 'b' }, signedToken: 'b' }],
    ['without scopes', { scopes: [] }],
    ['at the edge of the window', { signedAt: NOW - SIGNATURE_SKEW_MS }],
    ['by a clock that is ahead', { signedAt: NOW + SIGNATURE_SKEW_MS }],
  ])('is accepted: %s', (_name, options) => {
    expect(judgeDevice(signedConnect(options), CHALLENGE)).toEqual({
      ok: true,
      deviceId: DEVICE_ID,
    });
  });

  it('signed by a real browser client of OpenClaw 2026.9.6 is accepted', () => {
    const connect: ConnectParams = {
      minProtocol: 4,
      maxProtocol: 4,
      client: {
        id: 'openclaw-control-ui',
        version: '2026.9.6',
        platform: 'linux',
        mode: 'webchat',
      },
      role: 'operator',
      scopes: ['operator.read', 'operator.write', 'operator.approvals'],
      caps: ['tool-events'],
      device: {
        id: 'dc202dfa5fbcead2db45f61119285344052d2d5a87b26ddca80a8da426c7f934',
        publicKey: 'Z9wTf4pmnUf9JqmNkLQN5qoWESmz7nZv1eIMYnEXwYU',
        signature:
          '_fP4vbaoXKL7qOj8sx42RAIgg1UsinBSh9ZjHTPect6-ppZhx68E74ztSZDnezjvAGew6MU2QjGSt5aLi3MkBg',
        signedAt: NOW,
        nonce: NONCE,
      },
    };
    expect(judged(connect)).toBe('ok');
  });
});

describe('a device is refused', () => {
  it('when there is none, unless the configuration does without', () => {
    const { device: _, ...connect } = signedConnect();
    const refused = judgeDevice(connect, CHALLENGE);
    expect(refused).toMatchObject({
      ok: false,
      error: {
        code: 'INVALID_REQUEST',
        message: 'device identity required',
        details: { code: 'CONTROL_UI_DEVICE_IDENTITY_REQUIRED' },
      },
      close: { code: 1008, reason: 'device identity required' },
    });
    expect(judgeDevice(connect, { ...CHALLENGE, required: false })).toEqual({ ok: true });
  });

  it('never, when the configuration does without', () => {
    const connect = signedConnect({ signedAt: 0, nonce: 'other' });
    expect(judgeDevice(connect, { ...CHALLENGE, required: false })).toEqual({ ok: true });
  });

  const good = signedConnect();
  const stranger = generateKeyPairSync('ed25519').privateKey;
  const shortKey = rawKey.subarray(0, 31);
  it.each<[string, ConnectParams, string, string]>([
    [
      'another id',
      { ...good, device: { ...good.device, id: 'f'.repeat(64) } },
      'DEVICE_AUTH_DEVICE_ID_MISMATCH',
      'device-id-mismatch',
    ],
    [
      'an unreadable key',
      { ...good, device: { ...good.device, publicKey: '!!!' } },
      'DEVICE_AUTH_DEVICE_ID_MISMATCH',
      'device-id-mismatch',
    ],
    [
      'a key of the wrong length',
      {
        ...good,
        device: {
          ...good.device,
          publicKey: shortKey.toString('base64url'),
          id: createHash('sha256').update(shortKey).digest('hex'),
        },
      },
      'DEVICE_AUTH_PUBLIC_KEY_INVALID',
      'device-public-key',
    ],
    [
      'an old signature',
      signedConnect({ signedAt: NOW - SIGNATURE_SKEW_MS - 1 }),
      'DEVICE_AUTH_SIGNATURE_EXPIRED',
      'device-signature-stale',
    ],
    [
      'a signature from the future',
      signedConnect({ signedAt: NOW + SIGNATURE_SKEW_MS + 1 }),
      'DEVICE_AUTH_SIGNATURE_EXPIRED',
      'device-signature-stale',
    ],
    [
      'a blank nonce',
      signedConnect({ nonce: ' ' }),
      'DEVICE_AUTH_NONCE_REQUIRED',
      'device-nonce-missing',
    ],
    [
      'the nonce of another connection',
      signedConnect({ nonce: 'other' }),
      'DEVICE_AUTH_NONCE_MISMATCH',
      'device-nonce-mismatch',
    ],
    [
      'another key’s signature',
      signedConnect({ key: stranger }),
      'DEVICE_AUTH_SIGNATURE_INVALID',
      'device-signature',
    ],
    [
      'an unreadable signature',
      { ...good, device: { ...good.device, signature: '*' } },
      'DEVICE_AUTH_SIGNATURE_INVALID',
      'device-signature',
    ],
    [
      'more scopes than were signed',
      { ...good, scopes: ['operator.admin'] },
      'DEVICE_AUTH_SIGNATURE_INVALID',
      'device-signature',
    ],
    [
      'another token than was signed',
      { ...good, auth: { token: 'other' } },
      'DEVICE_AUTH_SIGNATURE_INVALID',
      'device-signature',
    ],
    [
      'another client than was signed',
      { ...good, client: { ...good.client, id: 'cli' } },
      'DEVICE_AUTH_SIGNATURE_INVALID',
      'device-signature',
    ],
    [
      'another moment than was signed',
      { ...good, device: { ...good.device, signedAt: NOW - 1 } },
      'DEVICE_AUTH_SIGNATURE_INVALID',
      'device-signature',
    ],
  ])('for %s', (_name, connect, code, reason) => {
    expect(judgeDevice(connect, CHALLENGE)).toMatchObject({
      ok: false,
      error: { code: 'INVALID_REQUEST', details: { code, reason } },
      close: { code: 1008 },
    });
  });
});
