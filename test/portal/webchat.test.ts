/** session/create and verify: from a right to a handshake. */

import { describe, expect, test } from 'vitest';
import { disableUser, removeUser } from '../../portal/store/access.ts';
import {
  ask,
  bearer,
  createSession,
  denied,
  handshakeToken,
  INSTANCE,
  INTERNAL_SECRET,
  post,
  servePortal,
  signedIn,
  verify,
} from './support/portal.ts';

describe('me/instances', () => {
  test('names what the user may use, and not where it runs', async () => {
    const portal = await servePortal();
    const { access } = await signedIn(portal);
    const list = () => ask(`${portal.url}/api/v1/me/instances`, { headers: bearer(access) });
    expect((await list()).body).toEqual({
      instances: [
        { id: INSTANCE, name: 'Tokyo 2', model: 'some-model', starters: ['你好', 'Hello?'] },
      ],
    });
    const instance = portal.store.instances.find(INSTANCE);
    if (instance) portal.store.instances.put({ ...instance, enabled: false }, 0);
    expect((await list()).body).toEqual({ instances: [] });
    const bob = await signedIn(portal, 'bob');
    const answer = await ask(`${portal.url}/api/v1/me/instances`, { headers: bearer(bob.access) });
    expect(answer.body).toEqual({ instances: [] });
  });
});

describe('session/create', () => {
  test('answers with the address, a stable session key, and a token of its own each time', async () => {
    const portal = await servePortal();
    const { access } = await signedIn(portal);
    const first = await createSession(portal, access);
    expect(first.status).toBe(200);
    expect(first.body).toEqual({
      ws_url: `wss://api.example.com/oc-ws/${INSTANCE}`,
      // The first 32 hexadecimal digits of SHA-256 over "alice\noc-ai-jp-2-02".
      session_key: 'web-de7ea2868816f59748a88cda9355793e',
      token: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      expires_at: new Date(portal.clock.now + 60_000).toISOString(),
      instance: {
        id: INSTANCE,
        name: 'Tokyo 2',
        model: 'some-model',
        starters: ['你好', 'Hello?'],
      },
    });
    const again = await createSession(portal, (await signedIn(portal)).access);
    expect(again.body['session_key']).toBe(first.body['session_key']);
    expect(again.body['token']).not.toBe(first.body['token']);
  });

  test.each([[{}], [{ instance_id: '' }], [{ instance_id: null }], [{ name: INSTANCE }]])(
    '%j is 400 in both languages',
    async (body) => {
      const portal = await servePortal();
      const { access } = await signedIn(portal);
      const answer = await createSession(portal, access, body);
      expect(answer.status).toBe(400);
      expect(answer.body).toEqual({
        error: {
          code: 'instance_id_required',
          message: 'instance_id is required',
          message_zh: 'instance_id 不能为空',
        },
      });
    },
  );

  test("no body at all is the same 400, not a parser's", async () => {
    const portal = await servePortal();
    const { access } = await signedIn(portal);
    const url = `${portal.url}/api/v1/me/webchat/session/create`;
    for (const headers of [{}, { 'content-type': 'application/json' }]) {
      const answer = await ask(url, { method: 'POST', headers: { ...headers, ...bearer(access) } });
      expect(answer.body['error'].code).toBe('instance_id_required');
    }
  });

  test('no token is 401, before anything about the instance', async () => {
    const portal = await servePortal();
    const answer = await post(`${portal.url}/api/v1/me/webchat/session/create`, {});
    expect([answer.status, answer.body['error'].code]).toEqual([401, 'unauthorized']);
  });

  test('an instance of others, an unknown one and a nonsensical one look the same', async () => {
    const portal = await servePortal();
    const { access } = await signedIn(portal, 'bob');
    const texts = new Set<string>();
    for (const id of [INSTANCE, 'oc-none', '../x', "' OR 1=1 --"]) {
      const answer = await createSession(portal, access, { instance_id: id });
      expect([answer.status, answer.body['error'].code]).toEqual([403, 'no_permission']);
      texts.add(answer.text);
    }
    expect(texts.size).toBe(1);
    expect((await createSession(portal, access, { instance_id: [INSTANCE] })).status).toBe(400);
  });

  test('a disabled instance is told to those who may use it only', async () => {
    const portal = await servePortal();
    const instance = portal.store.instances.find(INSTANCE);
    if (instance) portal.store.instances.put({ ...instance, enabled: false }, 0);
    const code = async (user: string) =>
      (await createSession(portal, (await signedIn(portal, user)).access)).body['error'].code;
    expect(await code('alice')).toBe('instance_disabled');
    expect(await code('bob')).toBe('no_permission');
  });
});

describe('verify', () => {
  test('names the user, the instance and the session, without a body', async () => {
    const portal = await servePortal();
    const answer = await verify(portal, await handshakeToken(portal));
    expect([answer.status, answer.text]).toEqual([200, '']);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'x-user-id': 'alice',
      'x-instance-id': INSTANCE,
      'x-session-key': 'web-de7ea2868816f59748a88cda9355793e',
    });
  });

  test('works again only within three seconds', async () => {
    const portal = await servePortal();
    const token = await handshakeToken(portal);
    expect((await verify(portal, token)).status).toBe(200);
    portal.clock.now += 3_000;
    expect((await verify(portal, token)).status).toBe(200);
    // Counted from the first use, not the last.
    portal.clock.now += 1;
    expect(denied(await verify(portal, token))).toBe('403 token_used');
  });

  test('expires, also unused', async () => {
    const portal = await servePortal();
    const token = await handshakeToken(portal);
    portal.clock.now += 60_000;
    expect(denied(await verify(portal, token))).toBe('403 token_expired');
  });

  test('the tokens of two tabs are independent', async () => {
    const portal = await servePortal();
    const { access } = await signedIn(portal);
    const one = (await createSession(portal, access)).body['token'];
    const two = (await createSession(portal, access)).body['token'];
    expect((await verify(portal, two)).status).toBe(200);
    portal.clock.now += 5_000;
    expect(denied(await verify(portal, two))).toBe('403 token_used');
    expect((await verify(portal, one)).status).toBe(200);
  });

  test('another instance is refused and does not use the token up', async () => {
    const portal = await servePortal();
    const token = await handshakeToken(portal);
    expect(denied(await verify(portal, token, '&instance_id=oc-other'))).toBe(
      '403 instance_mismatch',
    );
    expect(denied(await verify(portal, token, `&instance_id=${INSTANCE}&instance_id=oc-x`))).toBe(
      '403 instance_mismatch',
    );
    expect(denied(await verify(portal, token, '&instance_id='))).toBe('403 instance_mismatch');
    portal.clock.now += 5_000;
    expect((await verify(portal, token, '')).headers.get('x-instance-id')).toBe(INSTANCE);
  });

  test.each([
    ['', 'token_missing'],
    ['nonsense', 'token_invalid'],
    ['x'.repeat(5000), 'token_invalid'],
    ['a&token=b', 'token_invalid'],
  ])('token %j is %s', async (token, reason) => {
    const portal = await servePortal();
    expect(denied(await verify(portal, token))).toBe(`403 ${reason}`);
  });

  test('without the secret nothing is said, whatever the token', async () => {
    const portal = await servePortal();
    const token = await handshakeToken(portal);
    const wrong = ['', 'x', INTERNAL_SECRET.slice(1), `${INTERNAL_SECRET}x`];
    for (const secret of wrong) {
      const answer = await verify(portal, token, '', { 'x-internal-secret': secret });
      expect(denied(answer)).toBe('403 not_internal');
      expect(answer.headers.has('x-user-id')).toBe(false);
    }
    expect(denied(await verify(portal, token, '', {}))).toBe('403 not_internal');
    // A mistake of the operator's that keeps everybody out.
    expect(portal.log()).toContain('render its files again with that secret');
    expect((await verify(portal, token)).status).toBe(200);
  });

  test('judges by the rights of now, not by those of when the token was made', async () => {
    const portal = await servePortal();
    const { store } = portal;
    const token = await handshakeToken(portal);
    const instance = store.instances.find(INSTANCE);
    if (!instance) throw new Error('no instance');
    const grant = { userId: 'alice', instanceId: INSTANCE };

    store.instances.put({ ...instance, enabled: false }, 0);
    expect(denied(await verify(portal, token))).toBe('403 instance_disabled');
    store.instances.put(instance, 0);
    store.instances.revoke(grant);
    expect(denied(await verify(portal, token))).toBe('403 no_permission');
    store.instances.grant(grant, 0);
    store.users.setEnabled('alice', false);
    expect(denied(await verify(portal, token))).toBe('403 user_disabled');
    store.users.setEnabled('alice', true);
    expect((await verify(portal, token)).status).toBe(200);
    // Also within the seconds in which it works again.
    store.instances.revoke(grant);
    expect(denied(await verify(portal, token))).toBe('403 no_permission');
  });

  test('disabling ends the logins: enabling again does not bring old tokens back', async () => {
    const portal = await servePortal();
    const token = await handshakeToken(portal);
    disableUser(portal.store, 'alice', portal.clock.now);
    portal.store.users.setEnabled('alice', true);
    expect(denied(await verify(portal, token))).toBe('403 token_invalid');
  });

  test("a removed user's token is worth nothing, nor one of a removed instance", async () => {
    const portal = await servePortal();
    const [one, two] = [await handshakeToken(portal), await handshakeToken(portal)];
    portal.store.instances.remove(INSTANCE);
    expect(denied(await verify(portal, one))).toBe('403 instance_disabled');
    removeUser(portal.store, 'alice', portal.clock.now);
    expect(denied(await verify(portal, two))).toBe('403 user_disabled');
  });

  test('neither tokens nor passwords nor query strings are in the log, nor tokens in the file', async () => {
    const portal = await servePortal();
    const { access, refresh } = await signedIn(portal);
    const token = (await createSession(portal, access)).body['token'];
    await verify(portal, token);
    await verify(portal, token, '&instance_id=oc-other');
    await ask(`${portal.url}/oc-ws/x?token=${token}`);
    expect(portal.log()).toContain('/oc-ws/x');
    expect(portal.log()).toContain('verify_denied');
    const { readFile } = await import('node:fs/promises');
    const files = await Promise.all(
      ['portal.db', 'portal.db-wal'].map((name) => readFile(`${portal.folder}/${name}`, 'latin1')),
    );
    expect(files.join('')).toContain('alice');
    for (const secret of [token, refresh, access, 'correct horse', INTERNAL_SECRET, '?token']) {
      expect(portal.log()).not.toContain(secret);
      expect(files.join('').includes(secret)).toBe(false);
    }
  });
});
