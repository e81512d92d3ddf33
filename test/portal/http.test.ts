/** What holds for every answer: errors, limits, CORS, headers; and the page's files. */

import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { digest, newToken } from '../../portal/secret.ts';
import {
  ask,
  bearer,
  createSession,
  login,
  post,
  servePortal,
  signedIn,
} from './support/portal.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

describe('errors', () => {
  test.each([
    ['GET', '/nothing', {}, undefined, 404, 'not_found'],
    ['GET', '/api/v1/internal/nothing', {}, undefined, 404, 'not_found'],
    ['GET', '/API/V1/me/instances', {}, undefined, 404, 'not_found'],
    ['GET', '/api/v1/auth/login', {}, undefined, 405, 'method_not_allowed'],
    ['DELETE', '/api/v1/me/instances', {}, undefined, 405, 'method_not_allowed'],
    ['POST', '/api/v1/internal/webchat/verify', {}, undefined, 405, 'method_not_allowed'],
    ['POST', '/api/v1/auth/login', JSON_TYPE, '{"username":', 400, 'bad_request'],
    ['POST', '/api/v1/auth/login', JSON_TYPE, '{"__proto__":{"a":1}}', 400, 'bad_request'],
    [
      'POST',
      '/api/v1/auth/login',
      { 'content-type': 'text/plain' },
      '{}',
      415,
      'unsupported_media_type',
    ],
    [
      'POST',
      '/api/v1/auth/login',
      JSON_TYPE,
      JSON.stringify('x'.repeat(20_000)),
      413,
      'payload_too_large',
    ],
    ['GET', '/portal/chat/%zz', {}, undefined, 400, 'bad_request'],
  ])('%s %s is typed, in two languages (%#)', async (method, path, headers, body, status, code) => {
    const portal = await servePortal();
    const answer = await ask(`${portal.url}${path}`, { method, headers, ...(body && { body }) });
    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({
      error: {
        code,
        message: expect.any(String),
        message_zh: expect.stringMatching(/\p{Script=Han}/u),
      },
    });
  });

  test('a failure inside tells nothing about it, neither outside nor by a stack in the log', async () => {
    const portal = await servePortal();
    const { access } = await signedIn(portal);
    const { default: Database } = await import('better-sqlite3');
    const db = new Database(`${portal.folder}/portal.db`);
    db.exec('DROP TABLE user_instances');
    db.close();
    const answer = await createSession(portal, access);
    expect([answer.status, answer.body['error'].code]).toEqual([500, 'internal']);
    expect(answer.text).not.toMatch(/user_instances|sqlite|portal\//i);
    expect(portal.log()).toContain('request_failed');
    expect(portal.log()).not.toMatch(/\.ts:\d|node_modules/);
  });

  test('bytes that are no HTTP do no harm', async () => {
    const portal = await servePortal();
    const { port } = new URL(portal.url);
    const reply = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.end('\0\x01nonsense\r\n\r\n'));
      socket.on('data', (chunk) => {
        text += String(chunk);
      });
      socket.on('close', () => resolve(text));
      socket.on('error', () => resolve(text));
    });
    expect(reply).toMatch(/^HTTP\/1\.1 400 /);
    expect((await ask(`${portal.url}/healthz`)).body).toEqual({ status: 'ok' });
    expect((await ask(`${portal.url}/readyz`)).status).toBe(200);
  });
});

describe('limits', () => {
  test('a user who is tried too often is left alone for a minute, whatever the spelling', async () => {
    const portal = await servePortal({ limits: { loginsPerUser: 2 } });
    await login(portal, 'alice', 'wrong');
    await login(portal, 'ALICE', 'wrong');
    const third = await login(portal, 'Alice', 'wrong');
    expect([third.status, third.body['error'].code]).toEqual([429, 'rate_limited']);
    const seconds = Number(third.headers.get('retry-after'));
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThanOrEqual(60);
    expect((await login(portal, 'bob')).status).toBe(200);
  });

  test('an address is limited, and a client cannot invent another', async () => {
    const portal = await servePortal({ limits: { loginsPerAddress: 2 } });
    const statuses: number[] = [];
    for (const address of ['1.1.1.1', '2.2.2.2', '3.3.3.3']) {
      const answer = await post(
        `${portal.url}/api/v1/auth/login`,
        { ticket: 'x' },
        { 'x-forwarded-for': address },
      );
      statuses.push(answer.status);
    }
    expect(statuses).toEqual([401, 401, 429]);
  });

  test('behind a trusted proxy its clients are told apart; an IPv6 /64 is one', async () => {
    const portal = await servePortal({
      trustedProxies: ['127.0.0.1'],
      limits: { loginsPerAddress: 1 },
    });
    const from = async (address: string) =>
      (
        await post(
          `${portal.url}/api/v1/auth/login`,
          { ticket: 'x' },
          { 'x-forwarded-for': address },
        )
      ).status;
    expect(await from('1.1.1.1')).toBe(401);
    expect(await from('2.2.2.2')).toBe(401);
    // Only what the proxy itself wrote counts: the last entry.
    expect(await from('9.9.9.9, 1.1.1.1')).toBe(429);
    expect(await from('2001:db8::1')).toBe(401);
    expect(await from('2001:db8::ffff')).toBe(429);
    expect(await from('2001:db8:0:1::1')).toBe(401);
    expect(portal.log()).toContain('"address":"2.2.2.2"');
  });

  test('refreshes and sessions are limited too', async () => {
    const portal = await servePortal({ limits: { refreshesPerAddress: 1, sessionsPerUser: 1 } });
    const { access, refresh } = await signedIn(portal);
    const again = () => post(`${portal.url}/api/v1/auth/refresh`, { refresh_token: refresh });
    expect([(await again()).status, (await again()).status]).toEqual([200, 429]);
    expect((await createSession(portal, access)).status).toBe(200);
    const second = await createSession(portal, access);
    expect(second.status).toBe(429);
    expect(second.headers.has('retry-after')).toBe(true);
    // Another login is the same user; another user is not.
    expect((await createSession(portal, (await signedIn(portal)).access)).status).toBe(429);
    expect((await createSession(portal, (await signedIn(portal, 'bob')).access)).status).toBe(403);
  });

  test('many passwords at once: the server stays with those who are signed in', async () => {
    const portal = await servePortal({ limits: { loginsPerUser: 1000, loginsPerAddress: 1000 } });
    const { access } = await signedIn(portal);
    const flood = Array.from({ length: 120 }, () => login(portal, 'alice', 'wrong'));
    expect((await createSession(portal, access)).status).toBe(200);
    const statuses = new Set((await Promise.all(flood)).map(({ status }) => status));
    expect(statuses).toEqual(new Set([401, 429]));
  });
});

describe('CORS', () => {
  const preflight = (url: string, origin: string) =>
    ask(`${url}/api/v1/me/webchat/session/create`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });

  test('lets the listed origins in, exactly, without cookies', async () => {
    const portal = await servePortal({ allowedOrigins: ['https://app.example.com'] });
    const { status, headers } = await preflight(portal.url, 'https://app.example.com');
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    expect(headers.get('access-control-allow-headers')).toMatch(/authorization/i);
    expect(headers.has('access-control-allow-credentials')).toBe(false);
    const answer = await ask(`${portal.url}/api/v1/me/instances`, {
      headers: { origin: 'https://app.example.com', ...bearer('x') },
    });
    // Errors too: a page must be able to read why.
    expect(answer.status).toBe(401);
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    expect(answer.headers.get('access-control-expose-headers')).toBe('Retry-After');
  });

  test.each([
    'https://evil.example',
    'https://app.example.com.evil.example',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://APP.example.com',
    'null',
  ])('leaves out %s', async (origin) => {
    const portal = await servePortal({ allowedOrigins: ['https://app.example.com'] });
    const { headers } = await preflight(portal.url, origin);
    expect(headers.has('access-control-allow-origin')).toBe(false);
  });

  test('is never spoken by the internal part', async () => {
    const portal = await servePortal({ allowedOrigins: ['https://app.example.com'] });
    const { headers } = await ask(`${portal.url}/api/v1/internal/webchat/verify`, {
      headers: { origin: 'https://app.example.com' },
    });
    expect(headers.has('access-control-allow-origin')).toBe(false);
  });
});

describe('the page', () => {
  test('comes with a strict policy that names where it may connect', async () => {
    const portal = await servePortal({
      apiBase: 'https://m.example.com',
      connectSrc: ['wss://other.example.com'],
    });
    const { status, headers, text } = await ask(`${portal.url}/portal/chat/?instance_id=oc-x`);
    expect([status, text]).toEqual([200, '<!doctype html><title>Chat</title>']);
    expect(headers.get('cache-control')).toBe('no-cache');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    const policy = (headers.get('content-security-policy') ?? '').split(/;\s*/);
    expect(policy).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' data: blob:",
      "font-src 'self'",
      "connect-src 'self' wss://api.example.com wss://other.example.com https://m.example.com",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'none'",
      "require-trusted-types-for 'script'",
    ]);
    const config = await ask(`${portal.url}/portal/chat/config.json`);
    expect(config.body).toEqual({ api_base: 'https://m.example.com' });
  });

  test('assets never change, the rest is asked for again', async () => {
    const portal = await servePortal();
    const asset = await ask(`${portal.url}/portal/chat/assets/main-abc123.js`);
    expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(asset.headers.get('content-type')).toContain('javascript');
    const index = await ask(`${portal.url}/portal/chat/`);
    const etag = index.headers.get('etag') ?? '';
    const again = await ask(`${portal.url}/portal/chat/`, {
      headers: { 'if-none-match': etag, 'cache-control': 'max-age=0' },
    });
    expect(again.status).toBe(304);
  });

  test('without its slash leads to it, the query kept', async () => {
    const portal = await servePortal();
    const { status, headers } = await ask(`${portal.url}/portal/chat?instance_id=oc-x`);
    expect([status, headers.get('location')]).toEqual([301, '/portal/chat/?instance_id=oc-x']);
  });

  test.each([
    '../portal.db',
    '%2e%2e/portal.db',
    '..%2fportal.json',
    'assets/',
    'assets',
    '.hidden',
    'nothing.js',
  ])('%s is not served', async (path) => {
    const portal = await servePortal();
    const { port } = new URL(portal.url);
    // By hand: a client would tidy the path up.
    const reply = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.write(`GET /portal/chat/${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
      );
      socket.on('data', (chunk) => {
        text += String(chunk);
      });
      socket.on('close', () => resolve(text));
    });
    expect(reply).toMatch(/^HTTP\/1\.1 40[034] /);
    expect(reply).not.toContain('jwtSecret');
  });
});

test('a ticket is used up by the first of two that come at once', async () => {
  const portal = await servePortal();
  const ticket = newToken();
  portal.store.logins.addTicket(digest(ticket), 'alice', portal.clock.now + 1000);
  const answers = await Promise.all(
    [1, 2, 3].map(() => post(`${portal.url}/api/v1/auth/login`, { ticket })),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 401)).toHaveLength(2);
});
