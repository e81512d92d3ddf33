/** Page, API and socket on three hosts: what each may reach, and what an origin that is not on the list may not. */

import { type IncomingHttpHeaders, request } from 'node:http';
import { expect, test } from 'vitest';
import { ask, connected, finished, openPage, signIn, told } from '../support/browser.ts';
import { ONE, PASSWORDS } from '../support/chain.ts';
import { createSession, knock } from '../support/chain-client.ts';
import { chainScene } from '../support/chain-scene.ts';

const scene = chainScene({ threeHosts: true });

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** To the front, under one of its names. */
function at(
  host: string,
  path: string,
  { method = 'GET', more = {} }: { method?: string; more?: Record<string, string> } = {},
): Promise<Answer> {
  const { port } = scene.chain.line;
  const headers = { ...more, Host: `${host}.localhost:${port}` };
  return new Promise((resolve, reject) => {
    request({ method, host: '127.0.0.1', port, path, headers }, (response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, headers: response.headers });
    })
      .on('error', reject)
      .end();
  });
}

test('sign-in at the API host, socket at the socket host: an answer', async () => {
  const { page, complaints } = await openPage(scene.browser, scene.chain);
  const reached = new Set<string>();
  const reach = (url: string) => {
    const { hostname, pathname } = new URL(url);
    reached.add(`${hostname}/${pathname.split('/')[1]}`);
  };
  page.on('request', (sent) => reach(sent.url()));
  page.on('websocket', (socket) => reach(socket.url()));
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password').fill(PASSWORDS['alice'] ?? '');
  await page.keyboard.press('Enter');
  await connected(page);
  await ask(page, 'Hello from three hosts');
  await finished(page).getByText('You said: Hello from three hosts').waitFor();
  expect([...reached].toSorted()).toEqual([
    'api.localhost/oc-ws',
    'app.localhost/portal',
    'm.localhost/api',
  ]);
  expect(complaints).toEqual([]);
});

test('the policy lets the page reach those hosts and no other', async () => {
  const { page, complaints } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  await connected(page);
  const response = await at('app', '/portal/chat/');
  const policy = response.headers['content-security-policy'] ?? '';
  const port = scene.chain.line.port;
  expect(policy).toContain(
    `connect-src 'self' ws://api.localhost:${port} http://m.localhost:${port};`,
  );
  const outcome = await page.evaluate(
    `Promise.all([
      fetch('http://evil.localhost:${port}/').then(() => 'reached', () => 'stopped'),
      fetch('http://127.0.0.1:${port}/').then(() => 'reached', () => 'stopped'),
      new Promise((done) => {
        addEventListener('securitypolicyviolation', (event) => done(event.violatedDirective));
        new WebSocket('ws://evil.localhost:${port}/');
      }),
    ])`,
  );
  expect(outcome).toEqual(['stopped', 'stopped', 'connect-src']);
  expect(complaints.some((each) => each.includes('Content Security Policy'))).toBe(true);
});

test('the API answers the page of the list, and no other page', async () => {
  const preflight = (origin: string) =>
    at('m', '/api/v1/me/webchat/session/create', {
      method: 'OPTIONS',
      more: {
        Origin: origin,
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization,content-type',
      },
    });
  const allowed = await preflight(scene.chain.origin);
  expect(allowed.headers['access-control-allow-origin']).toBe(scene.chain.origin);
  expect(allowed.headers['access-control-allow-credentials']).toBe(undefined);
  for (const origin of ['https://evil.example', `${scene.chain.origin}0`, 'null']) {
    const refused = await preflight(origin);
    expect(refused.headers['access-control-allow-origin']).not.toBe(origin);
  }
});

test('a page of another origin gets no socket, be it of one of the other hosts', async () => {
  const { access_token } = await signIn(scene.chain, 'alice');
  for (const origin of [scene.chain.api, 'https://evil.example', 'null']) {
    const { token } = await createSession(scene.chain, access_token);
    expect(await knock(scene.chain, { token, origin, host: 'api.localhost' })).toEqual({
      code: 4403,
      reason: 'origin_not_allowed',
    });
  }
});

test('each host serves its own part only', async () => {
  expect((await at('m', '/portal/chat/')).status).toBe(404);
  expect((await at('api', '/portal/chat/')).status).toBe(404);
  expect((await at('app', '/api/v1/me/instances')).status).toBe(404);
  expect((await at('api', '/api/v1/me/instances')).status).toBe(404);
  expect((await at('app', `/oc-ws/${ONE}`)).status).toBe(404);
  expect((await at('m', '/api/v1/internal/webchat/verify?token=x')).status).toBe(404);
  expect((await at('other', '/portal/chat/')).status).toBe(421);
});

test("the portal is down: the page reads nginx's own error across hosts", async () => {
  const { page } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  await connected(page);
  await scene.chain.portal.kill();
  const refused = page.waitForResponse((response) => response.url().endsWith('/session/create'));
  scene.chain.line.cut();
  expect((await refused).status()).toBe(503);
  expect(await told(page, 'The portal cannot be reached.')).toBe('retrying');
  await scene.chain.portal.start();
  await connected(page);
});
