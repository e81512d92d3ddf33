/**
 * Who gets in, over real sockets. The peers are addresses of 127.0.0.0/8: 127.0.0.1 stands for the
 * proxy, 127.0.0.2 for any other machine.
 */

import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Client,
  type ClientOptions,
  connectClient,
  connectParams,
  type Json,
  ORIGIN,
  openClient,
} from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway, startGateway } from '../support/gateway.ts';
import { clientFrame, openRaw, upgradeRequest } from '../support/raw.ts';

const STRANGER = '127.0.0.2';

let gateway: SharedGateway;
let strict: SharedGateway;

/** Asks for everything that can be asked for. */
const STRICT = {
  auth: {
    mode: 'trusted-proxy',
    trustedProxy: {
      allowLoopback: true,
      allowUsers: ['alice', 'bob'],
      requiredHeaders: ['X-Request-ID'],
      secret: { header: 'X-Gateway-Secret', value: 's3cret' },
    },
  },
  instances: { 'oc-1': 'main' },
};

beforeAll(async () => {
  [gateway, strict] = await Promise.all([
    shareGateway({ config: testConfig() }),
    shareGateway({ config: testConfig({ gateway: STRICT }) }),
  ]);
});
afterAll(() => Promise.all([gateway.stop(), strict.stop()]));

/** The error that refuses the handshake, after which the socket must be closed with 1008. */
async function refusal(client: Client): Promise<Json> {
  const { error } = await client.ask('connect', connectParams());
  expect(await client.closed).toEqual({ code: 1008, reason: error.message });
  return error;
}

async function refused(options: Omit<ClientOptions, 'port'>): Promise<Json> {
  return refusal(await openClient({ port: gateway.port, user: 'alice', ...options }));
}

const unauthorized = (authReason: string) => ({
  code: 'INVALID_REQUEST',
  message: 'unauthorized',
  details: { code: 'AUTH_UNAUTHORIZED', authReason },
});

test('who is refused is named in the log, as far as the proxy could be believed', async () => {
  const headers = {
    'X-Instance-ID': 'oc-nowhere',
    'X-Request-ID': 'r-1',
    'X-Gateway-Secret': 's3cret',
  };
  await expect(connectClient({ port: strict.port, user: 'alice', headers })).rejects.toMatchObject({
    error: { details: { code: 'AUTH_UNAUTHORIZED' } },
  });
  expect(await strict.logged('refused', { user: 'alice' })).toMatchObject({
    rule: 'instance_unknown',
    instance: 'oc-nowhere',
    told: 'trusted_proxy_instance_unknown',
  });
});

describe('a peer that is no trusted proxy', () => {
  const asStranger = (headers: Record<string, string> = {}) =>
    openClient({
      port: gateway.port,
      user: 'alice',
      headers,
      socket: { localAddress: STRANGER },
    });

  test('gets HTTP 403 at the upgrade, and learns nothing else', async () => {
    const peer = await openRaw(gateway.port, STRANGER);
    peer.send(upgradeRequest('alice'));
    const answer = await peer.until('}');
    expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
    expect(answer).toMatch(/\r\n\r\n\{"error":"forbidden"\}$/);
    expect(await gateway.logged('refused', { rule: 'peer_untrusted' })).toMatchObject({
      client_address: STRANGER,
    });
  });

  test.each([
    ['X-Forwarded-For', '127.0.0.1'],
    ['X-Forwarded-For', '127.0.0.1, 127.0.0.1'],
    ['X-Real-IP', '127.0.0.1'],
    ['Forwarded', 'for=127.0.0.1;host=gateway;proto=https'],
    ['X-Client-IP', '127.0.0.1'],
    ['True-Client-IP', '127.0.0.1'],
  ])('is not helped by %s: %s', async (name, value) => {
    await expect(asStranger({ [name]: value })).rejects.toThrow('403');
  });

  test('is not helped by a PROXY protocol header, version 2', async () => {
    const peer = await openRaw(gateway.port, STRANGER);
    peer.send(Buffer.concat([proxyV2('127.0.0.1'), Buffer.from(upgradeRequest('alice'))]));
    expect(await peer.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 403 /);
  });

  test('is not helped by a PROXY protocol header, version 1', async () => {
    const peer = await openRaw(gateway.port, STRANGER);
    peer.send(`PROXY TCP4 127.0.0.1 127.0.0.1 5000 80\r\n${upgradeRequest('alice')}`);
    expect(await peer.ended).not.toContain('101');
  });
});

describe('a trusted proxy', () => {
  test('is judged by its own address, whatever the headers say about others', async () => {
    const client = await connectClient({
      port: gateway.port,
      headers: { 'X-Forwarded-For': '6.6.6.6', 'X-Real-IP': '6.6.6.6', Forwarded: 'for=6.6.6.6' },
    });
    expect(client.hello).toMatchObject({ type: 'hello-ok' });
  });

  test('is not somebody else for a PROXY protocol header that a client smuggled in', async () => {
    const peer = await openRaw(gateway.port);
    peer.send(Buffer.concat([proxyV2('6.6.6.6'), Buffer.from(upgradeRequest('alice'))]));
    expect(await peer.until('connect.challenge')).toMatch(/^HTTP\/1\.1 101 /);
  });

  test('on loopback is refused without allowLoopback, in words that a page can read', async () => {
    const auth = { mode: 'trusted-proxy' };
    const { port } = await startGateway({ config: testConfig({ gateway: { auth } }) });
    const client = await openClient({ port, user: 'alice' });
    expect(await refusal(client)).toEqual(unauthorized('trusted_proxy_loopback_source'));
  });

  const ipv6 = Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => address === '::1'),
  );

  test.runIf(ipv6)('is known by its IPv4 address on a dual-stack listener too', async () => {
    const trustedProxies = ['127.0.0.1', '2001:db8::1'];
    const config = testConfig({ gateway: { bind: 'lan', trustedProxies } });
    const { port, logged } = await startGateway({ config });
    expect(await logged('listening')).toMatchObject({ host: '::' });
    expect((await connectClient({ port })).hello).toMatchObject({ type: 'hello-ok' });
    const stranger = openClient({ port, user: 'alice', socket: { localAddress: STRANGER } });
    await expect(stranger).rejects.toThrow('403');
    expect(await logged('refused')).toMatchObject({ client_address: STRANGER });
  });
});

describe('identity headers', () => {
  test.each([
    ['user', ['X-User-ID: bob']],
    ['user, the same one', ['X-User-ID: alice']],
    ['user, one of them empty', ['X-User-ID:']],
    ['instance', ['X-Instance-ID: a', 'X-Instance-ID: b']],
    ['session key', ['X-Session-Key: a', 'x-session-key: b']],
    ['origin', [`Origin: ${ORIGIN}`]],
  ])('that come twice are refused: %s', async (_, more) => {
    const peer = await openRaw(gateway.port);
    peer.send(upgradeRequest('alice', more));
    await peer.until('connect.challenge');
    const connect = { type: 'req', id: 'c', method: 'connect', params: connectParams() };
    peer.send(clientFrame(JSON.stringify(connect)));
    const answer = await peer.until('unauthorized"');
    expect(answer).toContain('"authReason":"trusted_proxy_header_invalid"');
    expect(answer).not.toContain('hello-ok');
  });

  test.each(['X_User_ID', 'X-User_ID', 'x_user-id', 'X_Instance_ID', 'X.Session.Key'])(
    'in another spelling are refused, beside the right ones: %s',
    async (name) => {
      const error = await refused({
        instance: 'oc-1',
        session: 'mine',
        headers: { [name]: 'bob' },
      });
      expect(error).toEqual(unauthorized('trusted_proxy_header_invalid'));
    },
  );

  test.each([
    ['missing', {}],
    ['empty', { user: '' }],
    ['blank', { user: '   ' }],
  ])('without a user are refused: %s', async (_, options) => {
    const client = await openClient({ port: gateway.port, ...options });
    expect(await refusal(client)).toEqual(unauthorized('trusted_proxy_user_missing'));
  });

  test.each([
    ['joined by a server on the way', 'alice, bob'],
    ['too long', 'a'.repeat(257)],
    ['not ASCII', 'al\u00efce'],
  ])('whose user is %s are refused', async (_, user) => {
    expect(await refused({ user })).toEqual(unauthorized('trusted_proxy_header_invalid'));
  });

  test('whose session key names an agent that there is not are refused', async () => {
    const error = await refused({ session: 'agent:nobody:main' });
    expect(error).toMatchObject({ details: { code: 'UNKNOWN_AGENT_ID', agentId: 'nobody' } });
  });
});

describe('an origin', () => {
  test.each([
    ['missing', null, 'origin missing or invalid'],
    ['null', 'null', 'origin missing or invalid'],
    ['another one', 'https://evil.example', 'origin not allowed'],
    ['a longer one', `${ORIGIN}.evil.example`, 'origin not allowed'],
    ['a subdomain', ORIGIN.replace('//', '//sub.'), 'origin not allowed'],
    ['in other letters', ORIGIN.toUpperCase(), 'origin not allowed'],
    ['with a port', `${ORIGIN}:443`, 'origin not allowed'],
    ['with a slash', `${ORIGIN}/`, 'origin not allowed'],
    ['over another scheme', ORIGIN.replace('https', 'http'), 'origin not allowed'],
    ['a wildcard', '*', 'origin not allowed'],
  ])('that is not allowed letter by letter is refused: %s', async (_, origin, reason) => {
    expect(await refused({ origin })).toEqual({
      code: 'INVALID_REQUEST',
      message: 'origin not allowed (allow it in gateway.controlUi.allowedOrigins)',
      details: { code: 'CONTROL_UI_ORIGIN_NOT_ALLOWED', reason },
    });
  });
});

describe('where everything is asked for', () => {
  const honest = {
    user: 'alice',
    instance: 'oc-1',
    headers: { 'X-Request-ID': 'r1', 'X-Gateway-Secret': 's3cret' },
  };
  const open = (change: Omit<ClientOptions, 'port'>) =>
    openClient({ port: strict.port, ...honest, ...change });

  test('what has everything is in', async () => {
    const client = await connectClient({ port: strict.port, ...honest });
    expect(client.hello).toMatchObject({ type: 'hello-ok' });
  });

  test.each<[string, Omit<ClientOptions, 'port'>, string]>([
    [
      'a wrong secret',
      { headers: { ...honest.headers, 'X-Gateway-Secret': 's3cre' } },
      'untrusted_source',
    ],
    ['no secret', { headers: { 'X-Request-ID': 'r1' } }, 'untrusted_source'],
    [
      'no required header',
      { headers: { 'X-Gateway-Secret': 's3cret' } },
      'missing_header_X-Request-ID',
    ],
    ['a user who is not listed', { user: 'mallory' }, 'user_not_allowed'],
    ['a user in other letters', { user: 'Alice' }, 'user_not_allowed'],
    ['no instance', { instance: '' }, 'instance_missing'],
    ['an instance that there is not', { instance: 'oc-2' }, 'instance_unknown'],
    ['an instance of an object', { instance: 'constructor' }, 'instance_unknown'],
  ])('%s is refused', async (_, change, reason) => {
    expect(await refusal(await open(change))).toEqual(unauthorized(`trusted_proxy_${reason}`));
  });

  test('the rules are asked in order: whoever lacks all learns of the first only', async () => {
    const client = await openClient({ port: strict.port, origin: 'https://evil.example' });
    expect(await refusal(client)).toEqual(unauthorized('trusted_proxy_untrusted_source'));
    expect(await strict.logged('refused', { rule: 'secret_mismatch' })).not.toContain('s3cret');
    expect(strict.output()).not.toContain('s3cret');
  });
});

/** TCP over IPv4 from `source`, in the binary form of the PROXY protocol (HAProxy's proxy-protocol.txt, 2.2). */
function proxyV2(source: string): Buffer {
  const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
  const header = Buffer.from([0x21, 0x11, 0, 12]);
  const addresses = [source, '127.0.0.1'].flatMap((address) => address.split('.').map(Number));
  const ports = Buffer.from([0x13, 0x88, 0, 80]);
  return Buffer.concat([signature, header, Buffer.from(addresses), ports]);
}
