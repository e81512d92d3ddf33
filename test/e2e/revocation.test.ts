/** A right that ends while a socket is open: the socket ends within seconds, and the page says why. */

import { expect, test } from 'vitest';
import { connected, interceptCreate, openPage, pageUrl, told } from '../support/browser.ts';
import { ONE, PASSWORDS, TWO } from '../support/chain.ts';
import { chainScene } from '../support/chain-scene.ts';

const scene = chainScene();

test('a grant is removed: that instance ends, the other goes on', async () => {
  const [two, one] = await Promise.all([
    openPage(scene.browser, scene.chain, { user: 'alice', instance: TWO }),
    openPage(scene.browser, scene.chain, { user: 'alice', instance: ONE }),
  ]);
  await Promise.all([connected(two.page), connected(one.page)]);
  await scene.chain.operator('grants', 'remove', 'alice', TWO);
  expect(await told(two.page, 'You have no right to use this assistant.')).toBe('stopped');
  await scene.chain.portal.logged('sockets_closed', { instanceId: TWO });
  expect(one.sockets()).toBe(1);
  await connected(one.page);
});

test('a logout ends the sockets of that login; another login of the user comes back by itself', async () => {
  const [here, there] = await Promise.all([
    openPage(scene.browser, scene.chain, { user: 'alice' }),
    openPage(scene.browser, scene.chain, { user: 'alice' }),
  ]);
  await Promise.all([connected(here.page), connected(there.page)]);
  const secondTab = await here.context.newPage();
  await secondTab.goto(pageUrl(scene.chain, ONE));
  await connected(secondTab);
  await secondTab.getByRole('button', { name: 'Sign out' }).click();
  await secondTab.getByRole('button', { name: 'Sign in' }).waitFor();
  // The first tab shows nothing of the one who left.
  await here.page.getByRole('button', { name: 'Sign in' }).waitFor();

  await here.page.getByLabel('User name').fill('alice');
  await here.page.getByLabel('Password').fill(PASSWORDS['alice'] ?? '');
  await here.page.keyboard.press('Enter');
  await expect.poll(() => there.sockets()).toBeGreaterThan(1);
  await Promise.all([connected(here.page), connected(there.page)]);
});

test('a grant is removed between session/create and the handshake: verify says no, and the page why', async () => {
  const { page } = await openPage(scene.browser, scene.chain, { user: 'bob', instance: undefined });
  await interceptCreate(page, async (answer) => {
    await scene.chain.operator('grants', 'remove', 'bob', ONE);
    return answer;
  });
  await page.getByRole('link', { name: 'Mika' }).click();
  expect(await told(page, 'You have no right to use this assistant.')).toBe('stopped');
  expect(await scene.chain.denials()).toEqual(['no_permission']);
  await scene.chain.operator('grants', 'add', 'bob', ONE);
  await page.getByRole('button', { name: 'Try again' }).click();
  await connected(page);
});

test('an instance is switched off, and on again', async () => {
  const { page } = await openPage(scene.browser, scene.chain, { user: 'bob' });
  await connected(page);
  await scene.chain.operator('instances', 'disable', ONE);
  expect(await told(page, 'This assistant is switched off at the moment.')).toBe('stopped');
  await scene.chain.operator('instances', 'enable', ONE);
  await page.getByRole('button', { name: 'Try again' }).click();
  await connected(page);
});

test('a user is switched off: signed out, and no way back in', async () => {
  const { page } = await openPage(scene.browser, scene.chain, { user: 'bob' });
  await connected(page);
  await scene.chain.operator('users', 'disable', 'bob');
  expect(await told(page, 'You are signed out.')).toBe('stopped');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByLabel('User name').fill('bob');
  await page.getByLabel('Password').fill(PASSWORDS['bob'] ?? '');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').filter({ hasNotText: 'has ended' }).waitFor();
});
