import { GATEWAY_CLIENT_IDS, GATEWAY_CLIENT_MODES } from '@openclaw/gateway-protocol/client-info';
import { describe, expect, it } from 'vitest';
import { readConnect } from '../../../gateway/protocol/connect.ts';
import { validatorFor } from '../../support/published-schema.ts';

const CLIENT = {
  id: 'openclaw-control-ui',
  version: '2026.9.6',
  platform: 'linux',
  mode: 'webchat',
};
const GOOD = { minProtocol: 4, maxProtocol: 4, client: CLIENT };

function messageOf(params: unknown): string {
  const decision = readConnect(params);
  return decision.ok ? 'ok' : decision.error.message;
}

describe('readConnect accepts', () => {
  it.each<[string, object]>([
    ['the least', GOOD],
    ['a range around 4', { ...GOOD, minProtocol: 3, maxProtocol: 5 }],
    ['the role operator', { ...GOOD, role: 'operator' }],
    ['fields that nobody published', { ...GOOD, modelCatalog: {}, client: { ...CLIENT, foo: 1 } }],
    [
      'what the Control UI sends',
      {
        ...GOOD,
        scopes: ['operator.read'],
        caps: ['tool-events'],
        locale: 'en-US',
        userAgent: 'x',
        auth: {},
      },
    ],
  ])('%s', (_name, params) => {
    expect(readConnect(params)).toMatchObject({ ok: true, role: 'operator', connect: params });
  });

  it('what is published as ConnectParams', () => {
    expect(validatorFor('ConnectParams')(GOOD)).toBe(true);
  });

  it.each([
    ['id', GATEWAY_CLIENT_IDS],
    ['mode', GATEWAY_CLIENT_MODES],
  ])('every client %s that is published, and no other', (field, names) => {
    for (const name of Object.values(names)) {
      expect(messageOf({ ...GOOD, client: { ...CLIENT, [field]: name } })).toBe('ok');
    }
    expect(messageOf({ ...GOOD, client: { ...CLIENT, [field]: 'other' } })).toBe(
      `invalid connect params: at /client/${field}: must be equal to one of the allowed values`,
    );
  });
});

describe('readConnect refuses', () => {
  it.each<[string, unknown, string]>([
    ['no params', undefined, 'invalid connect params: must be object'],
    [
      'no client',
      { minProtocol: 4, maxProtocol: 4 },
      "invalid connect params: must have required property 'client'",
    ],
    [
      'no protocol',
      { client: CLIENT },
      "invalid connect params: must have required property 'minProtocol'",
    ],
    [
      'a client without a mode',
      { ...GOOD, client: { id: 'cli', version: '1', platform: 'x' } },
      "invalid connect params: at /client: must have required property 'mode'",
    ],
    [
      'a protocol in words',
      { ...GOOD, minProtocol: '4' },
      'invalid connect params: at /minProtocol: must be integer',
    ],
    [
      'an empty nonce',
      { ...GOOD, device: { id: 'd', publicKey: 'k', signature: 's', signedAt: 1, nonce: '' } },
      'invalid connect params: at /device/nonce: must not have fewer than 1 characters',
    ],
    [
      'scopes that are no list',
      { ...GOOD, scopes: 'operator.read' },
      'invalid connect params: at /scopes: must be array',
    ],
    ['an unknown role', { ...GOOD, role: 'bogus' }, 'invalid role'],
    ['a node', { ...GOOD, role: 'node' }, 'this gateway does not serve the role node'],
  ])('%s', (_name, params, message) => {
    expect(readConnect(params)).toMatchObject({
      ok: false,
      error: { code: 'INVALID_REQUEST', message },
      close: { code: 1008, reason: message },
    });
  });

  it.each([
    [3, 3],
    [5, 5],
    [5, 3],
    [1, 3],
  ])('the protocol range %i..%i, before the role', (minProtocol, maxProtocol) => {
    expect(readConnect({ ...GOOD, minProtocol, maxProtocol, role: 'bogus' })).toEqual({
      ok: false,
      error: {
        code: 'INVALID_REQUEST',
        message: 'protocol mismatch',
        details: {
          code: 'PROTOCOL_MISMATCH',
          clientMinProtocol: minProtocol,
          clientMaxProtocol: maxProtocol,
          expectedProtocol: 4,
        },
      },
      close: { code: 1002, reason: 'protocol mismatch' },
    });
  });
});
