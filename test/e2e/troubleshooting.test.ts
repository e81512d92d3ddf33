/** Every row of the troubleshooting table, provoked for real: the page says which it is, and recovers by itself. */

import { expect, test } from 'vitest';
import {
  ask,
  connected,
  finished,
  interceptCreate,
  openPage,
  pageUrl,
  saidBy,
  signIn,
  told,
} from '../support/browser.ts';
import { ONE, TWO } from '../support/chain.ts';
import { createSession, enter } from '../support/chain-client.ts';
import { chainScene } from '../support/chain-scene.ts';

const scene = chainScene({
  gateway: { limits: { tickIntervalMs: 1_000 } },
  values: { timeouts: { verifyMs: 1_500, gatewayConnectMs: 1_500, readMs: 2_500 } },
  portal: { tokens: { webchatSeconds: 3, reuseSeconds: 1 } },
});

test('instance_id missing: said, with a choice that leads on', async () => {
  const { page } = await openPage(scene.browser, scene.chain, {
    user: 'alice',
    instance: undefined,
  });
  await page.getByText('instance_id is missing').waitFor();
  await page.getByRole('link', { name: 'Mika' }).click();
  await connected(page);
  expect(new URL(page.url()).searchParams.get('instance_id')).toBe(ONE);
});

test('an instance that does not exist: no right, and nothing about whether it is there', async () => {
  const { page } = await openPage(scene.browser, scene.chain, {
    user: 'alice',
    instance: 'oc-nowhere',
  });
  expect(await told(page, 'You have no right to use this assistant.')).toBe('stopped');
});

test('handshake failed, gateway down: said, retried, healed', async () => {
  await scene.chain.gateway.kill();
  const { page } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  expect(await told(page, 'The assistant cannot be reached at the moment.')).toBe('retrying');
  await scene.chain.gateway.start();
  await connected(page);
});

test('handshake failed, gateway mute', async () => {
  scene.chain.gateway.signal('SIGSTOP');
  const { page } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  expect(await told(page, 'is there but does not answer.')).toBe('retrying');
  scene.chain.gateway.signal('SIGCONT');
  await connected(page);
});

test('portal down: session/create fails', async () => {
  const { page } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  await connected(page);
  await scene.chain.portal.kill();
  scene.chain.line.cut();
  expect(await told(page, 'The portal cannot be reached.')).toBe('retrying');
  await scene.chain.portal.start();
  await connected(page);
});

test('portal down: who opens the page is told so, and is in by itself once the portal is back', async () => {
  const { page } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  await scene.chain.portal.kill();
  await page.reload();
  await page.getByText('The chat is not available for a moment.').waitFor();
  // Its policy lets its own look pass.
  const { width } = (await page.locator('body').boundingBox()) ?? {};
  expect(width).toBe(560);
  await scene.chain.portal.start();
  await connected(page);
});

test('portal down: a sign-in link that is opened then signs in after a reload', async () => {
  const ticket = await scene.chain.operator('users', 'ticket', 'alice');
  const { context } = await openPage(scene.browser, scene.chain);
  await scene.chain.portal.kill();
  const page = await context.newPage();
  const opened = await page.goto(`${pageUrl(scene.chain, ONE)}#ticket=${ticket.trim()}`);
  expect(opened?.status()).toBe(502);
  await page.getByText('if it does not, reload it').waitFor();
  await scene.chain.portal.start();
  await page.reload();
  await connected(page);
});

test('portal down: only verify fails', async () => {
  const { page } = await openPage(scene.browser, scene.chain, {
    user: 'alice',
    instance: undefined,
  });
  await interceptCreate(page, async (answer) => {
    await scene.chain.portal.kill();
    return answer;
  });
  await page.getByRole('link', { name: 'Mika' }).click();
  expect(await told(page, 'the portal, which checks it, is down')).toBe('retrying');
  await scene.chain.portal.start();
  await connected(page);
});

test('portal mute: only verify fails', async () => {
  const { page } = await openPage(scene.browser, scene.chain, {
    user: 'alice',
    instance: undefined,
  });
  await interceptCreate(page, async (answer) => {
    scene.chain.portal.signal('SIGSTOP');
    return answer;
  });
  await page.getByRole('link', { name: 'Mika' }).click();
  expect(await told(page, 'the portal, which checks it, is down')).toBe('retrying');
  scene.chain.portal.signal('SIGCONT');
  await connected(page);
});

test('nobody there to say why: the handshake failed', async () => {
  await Promise.all([scene.chain.gateway.kill(), scene.chain.refusals.kill()]);
  const { page } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  expect(await told(page, 'The connection did not come about')).toBe('retrying');
  await Promise.all([scene.chain.gateway.start(), scene.chain.refusals.start()]);
  await connected(page);
});

test('device identity required: the setting is named, and its cure works', async () => {
  const applied = scene.chain.gateway.willLog('config_applied');
  await scene.chain.configureGateway({ controlUi: { allowedOrigins: [scene.chain.origin] } });
  await applied;
  const { page } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  expect(await told(page, 'device identity required')).toBe('stopped');
  expect(await told(page, 'dangerouslyDisableDeviceAuth')).toBe('stopped');
  const healed = scene.chain.gateway.willLog('config_applied');
  await scene.chain.configureGateway({});
  await healed;
  await page.getByRole('button', { name: 'Try again' }).click();
  await connected(page);
});

test('connected, but agents.defaults.model is empty', async () => {
  const applied = scene.chain.gateway.willLog('config_applied');
  await scene.chain.configureGateway({}, {});
  await applied;
  const { page } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  expect(await told(page, 'agents.defaults.model')).toBe('connected');
  const healed = scene.chain.gateway.willLog('config_applied');
  await scene.chain.configureGateway({});
  await healed;
  await page.reload();
  await connected(page);
  await ask(page, 'Is a model there?');
  await finished(page).getByText('You said: Is a model there?').waitFor();
});

test('403 from verify, token expired: renewed once, without a word', async () => {
  const { access_token } = await signIn(scene.chain, 'alice');
  const old = await createSession(scene.chain, access_token);
  await pastOf(old.expires_at);
  const { page, created, sockets } = await openPage(scene.browser, scene.chain, {
    user: 'alice',
    instance: undefined,
  });
  await interceptCreate(page, async (answer) => ({ ...answer, token: old.token }));
  await page.getByRole('link', { name: 'Mika' }).click();
  await connected(page);
  expect(created).toEqual([200, 200]);
  expect(sockets()).toBe(2);
  expect(saidBy(page).items.map(({ state }) => state)).not.toContain('retrying');
  expect(await scene.chain.denials()).toEqual(['token_expired']);
});

test('403 from verify, token used: renewed once; refused again and again: said', async () => {
  const { access_token } = await signIn(scene.chain, 'alice');
  const old = await createSession(scene.chain, access_token);
  const client = await enter(scene.chain, { token: old.token });
  client.close();
  // Past its life as past its reuse: then it is refused for ever.
  await pastOf(old.expires_at);
  const { page, created } = await openPage(scene.browser, scene.chain, {
    user: 'alice',
    instance: undefined,
  });
  await page.route('**/webchat/session/create', async (route) => {
    const response = await route.fetch();
    const answer = (await response.json()) as object;
    await route.fulfill({ response, json: { ...answer, token: old.token } });
  });
  await page.getByRole('link', { name: 'Mika' }).click();
  expect(await told(page, 'The connection was refused twice.')).toBe('retrying');
  expect(created.length).toBe(2);
  await page.unroute('**/webchat/session/create');
  await connected(page);
});

test('403 from session/create, no right: said, and not tried again', async () => {
  const { page, created } = await openPage(scene.browser, scene.chain, {
    user: 'bob',
    instance: TWO,
  });
  expect(await told(page, 'You have no right to use this assistant.')).toBe('stopped');
  expect(created).toEqual([403]);
});

/** Until the portal's own clock, which is this machine's, has passed it. */
async function pastOf(time: string): Promise<void> {
  const left = new Date(time).getTime() - Date.now();
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, left) + 1));
}
