/** Signing in, staying signed in, signing out. */

import { describe, expect, test } from 'vitest';
import { hashPassword } from '../../portal/auth/passwords.ts';
import { createSignIn } from '../../portal/auth/sign-in.ts';
import { digest, newToken } from '../../portal/secret.ts';
import { changePassword } from '../../portal/store/access.ts';
import {
  ask,
  bearer,
  createSession,
  denied,
  handshakeToken,
  login,
  PASSWORD,
  post,
  servePortal,
  signedIn,
  type TestPortal,
  verify,
} from './support/portal.ts';

const instances = (portal: TestPortal, access: string) =>
  ask(`${portal.url}/api/v1/me/instances`, { headers: bearer(access) });
const refresh = (portal: TestPortal, token: unknown) =>
  post(`${portal.url}/api/v1/auth/refresh`, { refresh_token: token });

describe('login', () => {
  test("gives an access token that opens the user's own things", async () => {
    const portal = await servePortal();
    const { status, body, headers } = await login(portal);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      token_type: 'Bearer',
      expires_in: 900,
      user: { id: 'alice', name: 'Alice' },
    });
    expect(headers.get('cache-control')).toBe('no-store');
    expect((await instances(portal, body['access_token'])).status).toBe(200);
  });

  test('does not mind the case of the name, and answers with the id as it is', async () => {
    const portal = await servePortal();
    expect((await login(portal, 'ALICE')).body['user']).toEqual({ id: 'alice', name: 'Alice' });
  });

  test('a wrong password and an unknown user look the same', async () => {
    const portal = await servePortal();
    const wrong = await login(portal, 'alice', 'wrong password');
    const unknown = await login(portal, 'nobody', 'wrong password');
    expect(wrong.status).toBe(401);
    expect(wrong.body).toEqual({
      error: {
        code: 'invalid_credentials',
        message: 'the user name or the password is wrong',
        message_zh: '用户名或密码错误',
      },
    });
    expect(unknown.text).toBe(wrong.text);
  });

  test('a disabled user learns of it by the right password only', async () => {
    const portal = await servePortal();
    portal.store.users.setEnabled('alice', false);
    expect((await login(portal)).body['error'].code).toBe('user_disabled');
    expect((await login(portal, 'alice', 'wrong')).body['error'].code).toBe('invalid_credentials');
  });

  test('a user without a password cannot sign in with any', async () => {
    const portal = await servePortal();
    portal.store.users.add({ id: 'carol', name: 'Carol', now: 0 });
    for (const password of [PASSWORD, 'null', 'the password of nobody']) {
      expect((await login(portal, 'carol', password)).status).toBe(401);
    }
  });

  test.each([
    [{}, 'username is required'],
    [{ username: 'alice' }, 'password is required'],
    [{ username: 'alice', password: 7 }, 'password must be a string'],
    [{ username: ['alice'], password: 'x' }, 'username must be a string'],
    [{ username: 'alice', password: 'x'.repeat(2000) }, 'password must be a string of at most'],
    [[1], 'must be a JSON object'],
  ])('%j is refused with what is wrong', async (body, message) => {
    const portal = await servePortal();
    const answer = await post(`${portal.url}/api/v1/auth/login`, body);
    expect(answer.status).toBe(400);
    expect(answer.body['error'].message).toContain(message);
  });

  test('the old password opens nothing once there is a new one, though it was judged before', async () => {
    const { store, clock } = await servePortal();
    const judged = Promise.withResolvers<boolean>();
    const signIn = createSignIn({
      store,
      passwords: { check: () => judged.promise },
      accessTokens: { sign: async () => 'access', verify: async () => 'invalid' },
      lives: {
        accessSeconds: 900,
        refreshSeconds: 1000,
        refreshReuseSeconds: 10,
        webchatSeconds: 60,
        reuseSeconds: 3,
        ticketSeconds: 900,
      },
      now: () => clock.now,
    });
    const pending = signIn.withPassword('alice', PASSWORD);
    changePassword(store, 'alice', await hashPassword('another password'), clock.now);
    judged.resolve(true);
    expect(await pending).toBe('invalid_credentials');
    expect(await signIn.withPassword('alice', 'another password')).toMatchObject({
      user: { id: 'alice' },
    });
  });

  test('a ticket signs in once, for its time', async () => {
    const portal = await servePortal();
    const [ticket, late] = [newToken(), newToken()];
    for (const each of [ticket, late]) {
      portal.store.logins.addTicket(digest(each), 'alice', portal.clock.now + 900_000);
    }
    const enter = (value: string) => post(`${portal.url}/api/v1/auth/login`, { ticket: value });
    const first = await enter(ticket);
    expect(first.body['user']).toEqual({ id: 'alice', name: 'Alice' });
    expect((await instances(portal, first.body['access_token'])).status).toBe(200);
    expect((await enter(ticket)).body['error'].code).toBe('ticket_invalid');
    portal.clock.now += 900_000;
    expect((await enter(late)).body['error'].code).toBe('ticket_invalid');
    expect((await enter('')).body['error'].code).toBe('ticket_invalid');
  });
});

describe('an access token', () => {
  test('expires with a code of its own', async () => {
    const portal = await servePortal();
    const { access } = await signedIn(portal);
    portal.clock.now += 899_000;
    expect((await instances(portal, access)).status).toBe(200);
    portal.clock.now += 2_000;
    const late = await instances(portal, access);
    expect([late.status, late.body['error'].code]).toEqual([401, 'token_expired']);
  });

  test('is refused if anything of it was changed, or if another portal made it', async () => {
    const portal = await servePortal();
    const other = await servePortal({ jwtSecret: 'another-secret-of-at-least-32-characters' });
    const { access } = await signedIn(portal);
    const [header, payload, signature] = access.split('.');
    const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString());
    const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'bob' })).toString('base64url');
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url');
    const bad = [
      `${header}.${forged}.${signature}`,
      `${none}.${payload}.`,
      `${header}.${payload}`,
      (await signedIn(other)).access,
      '',
    ];
    for (const token of bad) {
      const answer = await instances(portal, token);
      expect([answer.status, answer.body['error'].code]).toEqual([401, 'unauthorized']);
    }
    expect((await instances(portal, access)).status).toBe(200);
  });

  test('counts no longer once the user is disabled', async () => {
    const portal = await servePortal();
    const { access } = await signedIn(portal);
    portal.store.users.setEnabled('alice', false);
    expect((await instances(portal, access)).status).toBe(401);
  });
});

describe('refresh', () => {
  test('gives new tokens, and the old one works again only for a few seconds', async () => {
    const portal = await servePortal();
    const { refresh: first } = await signedIn(portal);
    const second = await refresh(portal, first);
    expect(second.status).toBe(200);
    expect(second.body['refresh_token']).not.toBe(first);
    expect(second.body['user']).toEqual({ id: 'alice', name: 'Alice' });
    expect((await instances(portal, second.body['access_token'])).status).toBe(200);
    portal.clock.now += 10_000;
    // Two tabs sent the same: both go on.
    expect((await refresh(portal, first)).status).toBe(200);
  });

  test('a token that returns too late ends the login and all that came of it', async () => {
    const portal = await servePortal();
    const { refresh: first } = await signedIn(portal);
    const second = await refresh(portal, first);
    portal.clock.now += 10_001;
    const reused = await refresh(portal, first);
    expect([reused.status, reused.body['error'].code]).toEqual([401, 'refresh_invalid']);
    expect((await refresh(portal, second.body['refresh_token'])).status).toBe(401);
    expect((await instances(portal, second.body['access_token'])).status).toBe(401);
    // Another login of the same user is another family.
    expect((await login(portal)).status).toBe(200);
  });

  test('a traded token that is no longer kept ends its login too; an invented one ends nothing', async () => {
    const portal = await servePortal();
    const { access, refresh: first } = await signedIn(portal);
    const second = await refresh(portal, first);
    portal.clock.now += 600_000;
    const { loginId } = portal.store.logins.findRefresh(digest(first)) ?? {};
    portal.store.logins.forget({ expired: 0, used: portal.clock.now });
    expect(portal.store.logins.findRefresh(digest(first))).toBeUndefined();
    const other = await signedIn(portal, 'bob');
    for (const invented of [`${loginId}.short`, `${crypto.randomUUID()}.${newToken()}`, loginId]) {
      expect((await refresh(portal, invented)).status).toBe(401);
    }
    expect((await instances(portal, access)).status).toBe(200);
    expect((await refresh(portal, first)).body['error'].code).toBe('refresh_invalid');
    expect((await refresh(portal, second.body['refresh_token'])).status).toBe(401);
    expect((await instances(portal, access)).status).toBe(401);
    expect((await instances(portal, other.access)).status).toBe(200);
  });

  test('prolongs the login each time; without it the login ends', async () => {
    const portal = await servePortal({ tokens: { refreshSeconds: 1000 } });
    let { refresh: token } = await signedIn(portal);
    for (let turn = 0; turn < 3; turn += 1) {
      portal.clock.now += 900_000;
      const answer = await refresh(portal, token);
      expect(answer.status).toBe(200);
      token = answer.body['refresh_token'];
    }
    portal.clock.now += 1_000_001;
    expect((await refresh(portal, token)).status).toBe(401);
  });

  test.each([
    [undefined, 400],
    [7, 400],
    ['nonsense', 401],
  ])('%j is %i', async (token, status) => {
    const portal = await servePortal();
    expect((await refresh(portal, token)).status).toBe(status);
  });
});

describe('logout', () => {
  const logout = (portal: TestPortal, access: string, token?: string) =>
    post(`${portal.url}/api/v1/auth/logout`, { refresh_token: token }, bearer(access));

  test('ends the login: access, refresh, and handshakes not yet made', async () => {
    const portal = await servePortal();
    const { access, refresh: token } = await signedIn(portal);
    const handshake = (await createSession(portal, access)).body['token'];
    const other = await handshakeToken(portal);
    expect((await logout(portal, access)).status).toBe(204);
    expect((await instances(portal, access)).status).toBe(401);
    expect((await refresh(portal, token)).status).toBe(401);
    expect(denied(await verify(portal, handshake))).toBe('403 token_invalid');
    // Another login of the same user goes on.
    expect((await verify(portal, other)).status).toBe(200);
  });

  test('works with an expired access token if the refresh token is there', async () => {
    const portal = await servePortal();
    const { access, refresh: token } = await signedIn(portal);
    portal.clock.now += 1_000_000;
    expect((await logout(portal, access)).status).toBe(401);
    expect((await logout(portal, access, token)).status).toBe(204);
    expect((await refresh(portal, token)).status).toBe(401);
  });

  test('without either is 401', async () => {
    const portal = await servePortal();
    expect((await ask(`${portal.url}/api/v1/auth/logout`, { method: 'POST' })).status).toBe(401);
  });
});
