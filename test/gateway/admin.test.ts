/** The operator's listener: who may use it, what it closes, and what it says otherwise. */

import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectClient, openClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway, startGateway } from '../support/gateway.ts';

const TOKEN = 'an-admin-token-of-the-tests';
const OPERATOR_TOKEN = 'an-operator-token-of-the-tests';
const admin = { port: 0, token: TOKEN, operatorToken: OPERATOR_TOKEN };

let gateway: SharedGateway;
let port: number;

/** The listener's port, as scripts read it. */
async function adminPort(of: { logged: SharedGateway['logged'] }): Promise<number> {
  const listening = (await of.logged('listening')) as { admin?: { port: number } };
  return listening.admin?.port ?? 0;
}

beforeAll(async () => {
  gateway = await shareGateway({ config: testConfig({ gateway: { admin } }) });
  port = await adminPort(gateway);
});
afterAll(() => gateway.stop());

interface Call {
  method?: string;
  path?: string;
  token?: string | undefined;
  body?: string | object;
  to?: number;
}

async function call({ method = 'POST', path = '/v1/sockets/close', body, ...rest }: Call) {
  const token = 'token' in rest ? rest.token : TOKEN;
  const response = await fetch(`http://127.0.0.1:${rest.to ?? port}${path}`, {
    method,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const { status, headers } = response;
  return { status, headers, body: (await response.json()) as { error?: { code: string } } };
}

const REVOKED = { code: 4003, reason: 'access revoked' };
const someone = () => `user-${crypto.randomUUID()}`;

describe('POST /v1/sockets/close', () => {
  test("closes a user's sockets, in the handshake too, and nobody else's", async () => {
    const [user, other] = [someone(), someone()];
    const one = await connectClient({ port: gateway.port, user, instance: 'oc-1' });
    const two = await connectClient({ port: gateway.port, user, instance: 'oc-2' });
    const young = await openClient({ port: gateway.port, user, instance: 'oc-1' });
    const neighbour = await connectClient({ port: gateway.port, user: other, instance: 'oc-1' });
    expect(await call({ body: { userId: user } })).toMatchObject({
      status: 200,
      body: { closed: 3 },
    });
    for (const client of [one, two, young]) expect(await client.closed).toEqual(REVOKED);
    expect(await neighbour.request('health')).toMatchObject({ ok: true });
    expect(await gateway.logged('sockets_closed', { user })).toMatchObject({ closed: 3 });
    expect(await call({ body: { userId: user } })).toMatchObject({ body: { closed: 0 } });
    // Who may come back is decided where the upgrade is authorized.
    await connectClient({ port: gateway.port, user, instance: 'oc-1' });
  });

  test("closes an instance's, or only one user's in it", async () => {
    const [user, other] = [someone(), someone()];
    const [instance, elsewhere] = [`oc-${crypto.randomUUID()}`, `oc-${crypto.randomUUID()}`];
    const open = (who: string, where: string) =>
      connectClient({ port: gateway.port, user: who, instance: where });
    const mine = await open(user, instance);
    const mineElsewhere = await open(user, elsewhere);
    const others = await open(other, instance);
    expect(await call({ body: { userId: user, instanceId: instance } })).toMatchObject({
      body: { closed: 1 },
    });
    expect(await mine.closed).toEqual(REVOKED);
    expect(await others.request('health')).toMatchObject({ ok: true });
    expect(await call({ body: { instanceId: instance } })).toMatchObject({ body: { closed: 1 } });
    expect(await others.closed).toEqual(REVOKED);
    expect(await mineElsewhere.request('health')).toMatchObject({ ok: true });
    const both = { userId: someone(), instanceId: elsewhere };
    expect(await call({ body: both })).toMatchObject({ body: { closed: 0 } });
  });

  test('lets the runs go on', async () => {
    const user = someone();
    const client = await connectClient({ port: gateway.port, user });
    await client.request('chat.send', {
      sessionKey: 'main',
      message: 'hello',
      idempotencyKey: 'r',
    });
    await call({ body: { userId: user } });
    await client.closed;
    const again = await connectClient({ port: gateway.port, user });
    await expect
      .poll(
        async () => (await again.request('chat.history', { sessionKey: 'main' })).totalMessages,
        { timeout: 15_000 },
      )
      .toBe(2);
  });

  test.each<[name: string, body: string | object | undefined]>([
    ['nothing', undefined],
    ['no JSON', '{'],
    ['no object', '["userId"]'],
    ['null', 'null'],
    ['neither of the two', {}],
    ['an empty id', { userId: '' }],
    ['an id that is no text', { userId: 7 }],
    ['an id that is too long', { userId: 'x'.repeat(257) }],
    ['a misspelt key beside a right one', { userId: 'alice', instance: 'oc-1' }],
    ['more than 4 KiB', { userId: 'alice', padding: 'x'.repeat(5_000) }],
  ])('refuses %s', async (_name, body) => {
    const refused = await call(body === undefined ? {} : { body });
    expect(refused).toMatchObject({ status: 400, body: { error: { code: 'bad_body' } } });
  });
});

describe('POST /v1/users/delete', () => {
  const path = '/v1/users/delete';

  test('removes all of a user, and knows of nothing the second time', async () => {
    const user = someone();
    const client = await connectClient({ port: gateway.port, user });
    await client.say('main', 'hello');
    const removed = { sockets: 1, sessions: 1, messages: 2 };
    expect(await call({ path, token: OPERATOR_TOKEN, body: { userId: user } })).toMatchObject({
      status: 200,
      body: removed,
    });
    expect(await client.closed).toEqual(REVOKED);
    expect(await gateway.logged('user_deleted', { user })).toMatchObject(removed);
    expect(await call({ path, token: OPERATOR_TOKEN, body: { userId: user } })).toMatchObject({
      status: 200,
      body: { sockets: 0, sessions: 0, messages: 0 },
    });
  });

  test.each<[name: string, body: string | object | undefined]>([
    ['no body', undefined],
    ['no user', {}],
    ['an empty id', { userId: '' }],
    // Whoever means one instance only must not lose all.
    ['an instance beside the user', { userId: 'alice', instanceId: 'oc-1' }],
    ['an instance alone', { instanceId: 'oc-1' }],
  ])('refuses %s', async (_name, body) => {
    const refused = await call({
      path,
      token: OPERATOR_TOKEN,
      ...(body !== undefined && { body }),
    });
    expect(refused).toMatchObject({ status: 400, body: { error: { code: 'bad_body' } } });
  });

  test("needs the operator's token: the portal's is not enough", async () => {
    const user = someone();
    const client = await connectClient({ port: gateway.port, user });
    await client.say('main', 'hello');
    const body = { userId: user };
    expect(await call({ path, token: 'wrong', body })).toMatchObject({ status: 401 });
    expect(await call({ path, token: TOKEN, body })).toMatchObject({
      status: 403,
      body: { error: { code: 'forbidden' } },
    });
    const { messages } = await client.request('chat.history', { sessionKey: 'main' });
    expect(messages).toHaveLength(2);
  });

  test('reaches nobody where the operator has no token', async () => {
    const config = testConfig({ gateway: { admin: { port: 0, token: TOKEN } } });
    const bare = await startGateway({ config });
    const to = await adminPort(bare);
    for (const token of [TOKEN, '', 'undefined']) {
      const refused = await call({ path, to, token, body: { userId: 'alice' } });
      expect([401, 403]).toContain(refused.status);
    }
  });

  test("the operator's token closes sockets too", async () => {
    const closed = await call({ token: OPERATOR_TOKEN, body: { userId: someone() } });
    expect(closed).toMatchObject({ status: 200, body: { closed: 0 } });
  });
});

test('GET /v1/sockets counts', async () => {
  const own = await startGateway({ config: testConfig({ gateway: { admin } }) });
  const to = await adminPort(own);
  const count = async () => (await call({ method: 'GET', path: '/v1/sockets', to })).body;
  expect(await count()).toEqual({ sockets: 0, users: 0 });
  for (const user of ['alice', 'alice', 'bob']) await connectClient({ port: own.port, user });
  expect(await count()).toEqual({ sockets: 3, users: 2 });
});

describe('who has no token', () => {
  test.each<[name: string, token: string | undefined]>([
    ['none', undefined],
    ['another one', 'wrong'],
    ['a part of it', TOKEN.slice(0, -1)],
    ['more than it', `${TOKEN}x`],
  ])('learns nothing: %s', async (_name, token) => {
    for (const path of ['/v1/sockets/close', '/nowhere']) {
      const { status, headers, body } = await call({ path, token, body: { userId: 'alice' } });
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toBe('Bearer');
      expect(body).toMatchObject({ error: { code: 'unauthorized' } });
    }
    const line = await gateway.logged('admin_refused');
    expect(line).toMatchObject({
      level: 'warn',
      client_address: expect.stringContaining('127.0.0.1'),
    });
    if (token !== undefined) expect(JSON.stringify(line)).not.toContain(token);
  });

  test('is refused after an edit took the token away', async () => {
    const own = await startGateway({ config: testConfig({ gateway: { admin } }) });
    const to = await adminPort(own);
    const ask = () => call({ method: 'GET', path: '/v1/sockets', to });
    expect((await ask()).status).toBe(200);
    await own.writeConfig(testConfig({ gateway: { admin: { port: 0, token: 'another-token' } } }));
    await own.logged('config_applied');
    expect((await ask()).status).toBe(401);
    await own.writeConfig(testConfig());
    const restart = { afterRestart: ['gateway.admin.host', 'gateway.admin.port'] };
    await expect
      .poll(() => own.logs, { timeout: 10_000 })
      .toContainEqual(expect.objectContaining(restart));
    expect((await ask()).status).toBe(401);
  });
});

test.each([
  ['POST', '/nowhere', 404, 'not_found', null],
  ['POST', '/', 404, 'not_found', null],
  ['GET', '/v1/sockets/close', 405, 'method_not_allowed', 'POST'],
  ['DELETE', '/v1/sockets', 405, 'method_not_allowed', 'GET'],
])('%s %s is %d', async (method, path, status, code, allow) => {
  const refused = await call({ method, path });
  expect(refused).toMatchObject({ status, body: { error: { code } } });
  expect(refused.headers.get('allow')).toBe(allow);
});

test('odd request targets end nothing', async () => {
  for (const path of ['//', '/%', '*', 'http://[bad/']) {
    const status = await new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${TOKEN}` };
      const sent = request(
        { host: '127.0.0.1', port, method: 'GET', path, headers },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      sent.once('error', reject);
      sent.end();
    });
    expect([400, 404]).toContain(status);
  }
  expect(await call({ body: { userId: someone() } })).toMatchObject({ body: { closed: 0 } });
});

test('the token is in no log', () => {
  expect(gateway.output()).not.toContain(TOKEN);
});

test('without the section there is no such listener', async () => {
  const own = await startGateway({ config: testConfig() });
  expect(await own.logged('listening')).not.toHaveProperty('admin');
});

test('a port that is taken keeps the gateway from starting, and is named', async () => {
  const taken = { port, token: TOKEN };
  await expect(startGateway({ config: testConfig({ gateway: { admin: taken } }) })).rejects.toThrow(
    `cannot listen on 127.0.0.1:${port} (gateway.admin.port): another program listens there.`,
  );
});
