/** Device identity, where the configuration asks for it: a browser's own key signs the handshake. */

import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connectParams, ORIGIN, openClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';

let gateway: SharedGateway;

beforeAll(async () => {
  const controlUi = { allowedOrigins: [ORIGIN] };
  gateway = await shareGateway({ config: testConfig({ gateway: { controlUi } }) });
});
afterAll(() => gateway.stop());

interface Device {
  id: string;
  publicKey: string;
  signature: string;
  signedAt: number;
  nonce: string;
}

interface Key {
  raw: Buffer;
  id: string;
  privateKey: KeyObject;
}

function newKey(): Key {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  // The last 32 bytes of the DER form are the key itself (RFC 8410).
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  return { raw, id: createHash('sha256').update(raw).digest('hex'), privateKey };
}

const base64url = (bytes: Buffer) => bytes.toString('base64url');

/** A device as an honest client makes it, for `connectParams()`. */
function prove(
  key: Key,
  { nonce, signedAt }: { nonce: string; signedAt: number },
  version: 'v2' | 'v3' = 'v3',
): Device {
  const fields = ['webchat', 'webchat', 'operator', '', String(signedAt), '', nonce];
  const metadata = version === 'v3' ? ['test', ''] : [];
  const text = [version, key.id, ...fields, ...metadata].join('|');
  const signature = base64url(sign(null, Buffer.from(text), key.privateKey));
  return { id: key.id, publicKey: base64url(key.raw), signature, signedAt, nonce };
}

async function challenged(): Promise<{ client: Client; nonce: string; signedAt: number }> {
  const client = await openClient({ port: gateway.port, user: 'alice' });
  const { nonce, ts } = await client.event('connect.challenge');
  return { client, nonce, signedAt: ts };
}

describe('a client', () => {
  test('without a device is refused with a reason that a page can show', async () => {
    const { client } = await challenged();
    const { error } = await client.ask('connect', connectParams());
    expect(error).toEqual({
      code: 'INVALID_REQUEST',
      message: 'device identity required',
      details: { code: 'CONTROL_UI_DEVICE_IDENTITY_REQUIRED' },
    });
    expect(await client.closed).toEqual({ code: 1008, reason: 'device identity required' });
  });

  test.each(['v3', 'v2'] as const)('that signed the challenge (%s) is in', async (version) => {
    const { client, ...challenge } = await challenged();
    const device = prove(newKey(), challenge, version);
    const hello = await client.request('connect', { ...connectParams(), device });
    expect(hello).toMatchObject({ type: 'hello-ok' });
    expect(await client.request('sessions.list')).toMatchObject({ sessions: [] });
  });
});

describe('a device is refused', () => {
  const mine = newKey();
  const other = newKey();
  const short = mine.raw.subarray(0, 31);

  test.each<[string, string, (honest: Device) => Partial<Device>]>([
    ['whose id is not of its key', 'DEVICE_ID_MISMATCH', () => ({ id: other.id })],
    [
      'that signed ten minutes ago',
      'SIGNATURE_EXPIRED',
      ({ nonce, signedAt }) => prove(mine, { nonce, signedAt: signedAt - 600_000 }),
    ],
    [
      'that signed ten minutes ahead',
      'SIGNATURE_EXPIRED',
      ({ nonce, signedAt }) => prove(mine, { nonce, signedAt: signedAt + 600_000 }),
    ],
    ['with a blank nonce', 'NONCE_REQUIRED', () => ({ nonce: ' ' })],
    [
      "with another connection's nonce",
      'NONCE_MISMATCH',
      ({ signedAt }) => prove(mine, { nonce: crypto.randomUUID(), signedAt }),
    ],
    [
      'whose key is no key',
      'PUBLIC_KEY_INVALID',
      () => ({
        publicKey: base64url(short),
        id: createHash('sha256').update(short).digest('hex'),
      }),
    ],
    [
      'that somebody else signed for',
      'SIGNATURE_INVALID',
      ({ nonce, signedAt }) => ({
        signature: prove({ ...mine, privateKey: other.privateKey }, { nonce, signedAt }).signature,
      }),
    ],
    ['whose signature is none', 'SIGNATURE_INVALID', () => ({ signature: 'AAAA' })],
  ])('%s', async (_, problem, spoil) => {
    const { client, ...challenge } = await challenged();
    const honest = prove(mine, challenge);
    const device = { ...honest, ...spoil(honest) };
    const { error } = await client.ask('connect', { ...connectParams(), device });
    expect(error).toMatchObject({
      code: 'INVALID_REQUEST',
      details: { code: `DEVICE_AUTH_${problem}` },
    });
    expect(await client.closed).toEqual({ code: 1008, reason: error.message });
  });

  test('that signed fewer scopes than it asks for', async () => {
    const { client, ...challenge } = await challenged();
    const params = connectParams({ scopes: ['operator.admin'] });
    const { error } = await client.ask('connect', { ...params, device: prove(mine, challenge) });
    expect(error.details.code).toBe('DEVICE_AUTH_SIGNATURE_INVALID');
  });

  test('that was used before: a signature serves one connection', async () => {
    const first = await challenged();
    const device = prove(mine, first);
    await first.client.request('connect', { ...connectParams(), device });
    const second = await challenged();
    const { error } = await second.client.ask('connect', { ...connectParams(), device });
    expect(error.details.code).toBe('DEVICE_AUTH_NONCE_MISMATCH');
  });
});
