/** The handshake, over a real socket: challenge, connect, hello-ok, and every way to fail it. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectClient, connectParams, openClient, RefusedError } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';

let gateway: SharedGateway;

beforeAll(async () => {
  const auth = {
    mode: 'trusted-proxy',
    trustedProxy: { allowLoopback: true },
    identityScopes: { root: ['operator.admin'], constructor: ['operator.admin'] },
  };
  gateway = await shareGateway({ config: testConfig({ gateway: { auth } }) });
});
afterAll(() => gateway.stop());

const open = () => openClient({ port: gateway.port, user: `alice-${crypto.randomUUID()}` });
const connect = (options: { user?: string; scopes?: string[] } = {}) =>
  connectClient({ port: gateway.port, user: `alice-${crypto.randomUUID()}`, ...options });

describe('a socket that opens', () => {
  test('is challenged at once, with a nonce of its own and the time', async () => {
    const before = Date.now();
    const [one, other] = await Promise.all([open(), open()]);
    const challenge = await one.event('connect.challenge');
    expect(challenge.nonce).toMatch(/^\S{16,}$/);
    expect(challenge.ts).toBeGreaterThanOrEqual(before);
    expect(challenge.ts).toBeLessThanOrEqual(Date.now());
    expect((await other.event('connect.challenge')).nonce).not.toBe(challenge.nonce);
    expect(one.frames[0]).not.toHaveProperty('seq');
    expect(one.frames).toHaveLength(1);
  });
});

describe('connect', () => {
  test('is answered with what is served, granted and allowed', async () => {
    const client = await connect();
    expect(client.hello).toMatchObject({
      type: 'hello-ok',
      protocol: 4,
      snapshot: {
        presence: [],
        sessionDefaults: {
          defaultAgentId: 'main',
          mainKey: 'main',
          mainSessionKey: 'agent:main:main',
          modelConfigured: true,
        },
        authMode: 'trusted-proxy',
      },
      auth: { role: 'operator', scopes: ['operator.read', 'operator.write'] },
      policy: { maxPayload: 10_485_760, maxBufferedBytes: 8_388_608, tickIntervalMs: 30_000 },
    });
    // With a build id that is not its own, OpenClaw's Control UI would reload for ever.
    expect(client.hello.server).not.toHaveProperty('buildId');
    expect(client.hello.features.events).toEqual(
      expect.arrayContaining(['chat', 'agent', 'tick', 'shutdown', 'sessions.changed']),
    );
  });

  test('advertises no method that is not served', async () => {
    const client = await connect();
    for (const method of client.hello.features.methods) {
      const { ok, error } = await client.ask(method);
      if (!ok) expect(error.message).not.toContain('unknown method');
    }
    expect(client.hello.features.methods.length).toBeGreaterThan(20);
  });

  test('gives each connection an id that the log knows', async () => {
    const client = await connect();
    const { connId } = client.hello.server;
    expect(await gateway.logged('connected', { connId })).toMatchObject({ client: 'webchat' });
  });

  test('may be sent before the challenge has arrived', async () => {
    const client = await open();
    expect(await client.request('connect', connectParams())).toMatchObject({ type: 'hello-ok' });
  });

  test('may be sent with requests behind it: all are answered, in their order', async () => {
    const client = await open();
    const asked = ['connect', ...Array.from({ length: 40 }, () => 'health')];
    const answers = await Promise.all(
      asked.map((method) => client.ask(method, method === 'connect' ? connectParams() : undefined)),
    );
    expect(answers.map(({ ok }) => ok)).toEqual(asked.map(() => true));
    const came = client.frames.filter(({ type }) => type === 'res').map(({ id }) => id);
    expect(came).toEqual(answers.map(({ id }) => id));
  });

  test('may carry fields that this gateway does not know', async () => {
    const client = await open();
    const params = { ...connectParams(), modelCatalog: 'summary', locale: 'ja-JP' };
    expect(await client.request('connect', params)).toMatchObject({ type: 'hello-ok' });
  });

  test('is valid once: a second one is refused, and the connection stays', async () => {
    const client = await connect();
    const again = await client.ask('connect', connectParams());
    expect(again.error).toMatchObject({
      code: 'INVALID_REQUEST',
      message: 'connect is only valid as the first request',
    });
    expect(await client.request('health')).toMatchObject({ ok: true });
  });
});

describe('a handshake is refused with an error, then closed, when', () => {
  test.each(['chat.send', 'health', 'no.such.method'])('the first request is %s', async (name) => {
    const client = await open();
    const reason = 'invalid handshake: first request must be connect';
    const { error } = await client.ask(name, { sessionKey: 'main' });
    expect(error).toEqual({ code: 'INVALID_REQUEST', message: reason });
    expect(await client.closed).toEqual({ code: 1008, reason });
  });

  test.each([
    ['newer than ours', 5, 6],
    ['older than ours', 1, 3],
    ['empty', 5, 3],
  ])('the protocol range is %s', async (_, minProtocol, maxProtocol) => {
    const client = await open();
    const params = { ...connectParams(), minProtocol, maxProtocol };
    const { error } = await client.ask('connect', params);
    expect(error).toEqual({
      code: 'INVALID_REQUEST',
      message: 'protocol mismatch',
      details: {
        code: 'PROTOCOL_MISMATCH',
        clientMinProtocol: minProtocol,
        clientMaxProtocol: maxProtocol,
        expectedProtocol: 4,
      },
    });
    expect(await client.closed).toEqual({ code: 1002, reason: 'protocol mismatch' });
  });

  test.each([
    ['node', { code: 'ROLE_NOT_SERVED' }, 'this gateway does not serve the role node'],
    ['emperor', undefined, 'invalid role'],
  ])('the role is %s', async (role, details, message) => {
    const client = await open();
    const { error } = await client.ask('connect', { ...connectParams(), role });
    expect(error).toEqual({ code: 'INVALID_REQUEST', message, ...(details && { details }) });
    expect(await client.closed).toEqual({ code: 1008, reason: message });
  });

  test.each([
    ['there is no client', { client: undefined }, "must have required property 'client'"],
    ['a version is text', { minProtocol: '4' }, 'at /minProtocol: must be integer'],
    ['scopes are text', { scopes: 'operator.admin' }, 'at /scopes: must be array'],
    ['the client is unheard of', { client: { id: 'curl' } }, 'at /client'],
  ])('%s', async (_, change, problem) => {
    const client = await open();
    const { error } = await client.ask('connect', { ...connectParams(), ...change });
    expect(error.code).toBe('INVALID_REQUEST');
    expect(error.message).toMatch(/^invalid connect params: /);
    expect(error.message).toContain(problem);
    expect(await client.closed).toEqual({ code: 1008, reason: error.message });
  });
});

describe('scopes', () => {
  const inject = { sessionKey: 'main', message: 'note' };

  test('beyond read and write are not had for the asking', async () => {
    const client = await connect({ scopes: ['operator.admin', 'operator.read'] });
    expect(client.hello.auth.scopes).not.toContain('operator.admin');
    const refused: RefusedError = await client.request('chat.inject', inject).catch((e) => e);
    expect(refused).toBeInstanceOf(RefusedError);
    expect(refused.error).toEqual({
      code: 'FORBIDDEN',
      message: 'missing scope: operator.admin',
      details: {
        code: 'MISSING_SCOPE',
        missingScope: 'operator.admin',
        requiredScopes: ['operator.admin'],
      },
    });
  });

  test.each(['root', 'constructor'])('of identityScopes reach the user %s', async (user) => {
    const client = await connect({ user });
    expect(client.hello.auth.scopes).toContain('operator.admin');
    await client.request('sessions.create', { key: 'main' });
    expect(await client.request('chat.inject', inject)).toMatchObject({ ok: true });
  });

  test('are never those of another user, however alike the names', async () => {
    for (const user of ['Root', 'root2', '__proto__', 'toString']) {
      const client = await connect({ user });
      expect(client.hello.auth.scopes).toEqual(['operator.read', 'operator.write']);
    }
  });

  test('that a client gives up are gone: read alone cannot write', async () => {
    const client = await connect({ scopes: ['operator.read'] });
    expect(client.hello.auth.scopes).toEqual(['operator.read']);
    expect(await client.request('sessions.list')).toMatchObject({ sessions: [] });
    const send = { sessionKey: 'main', message: 'hi', idempotencyKey: 'k' };
    const { error } = await client.ask('chat.send', send);
    expect(error.details).toMatchObject({ missingScope: 'operator.write' });
  });
});
