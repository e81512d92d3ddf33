/** A socket that stays open for a day, in seconds: what keeps it alive, and what happens without that. */

import { expect, test } from 'vitest';
import { ask, connected, finished, openPage } from '../support/browser.ts';
import { chainScene } from '../support/chain-scene.ts';

/** nginx ends a socket after this much silence in both directions: a day in many an installation. */
const NGINX_PATIENCE_MS = 3_600;
const TICK_MS = 1_200;

const scene = chainScene({
  gateway: { limits: { tickIntervalMs: TICK_MS } },
  values: { timeouts: { readMs: NGINX_PATIENCE_MS } },
  portal: { tokens: { accessSeconds: 4, webchatSeconds: 3 } },
});

function isTick(frame: string): boolean {
  return frame.includes('"event":"tick"');
}

test('idle for longer than the proxy waits: ticks keep the socket, whatever expires meanwhile', async () => {
  const opened = await openPage(scene.browser, scene.chain, { user: 'alice' });
  const { page, sockets, created, complaints, frames } = opened;
  await connected(page);
  const wanted = Math.ceil((1.5 * NGINX_PATIENCE_MS) / TICK_MS);
  await frames.find(() => frames.items.filter(isTick).length >= wanted);
  await ask(page, 'Still connected?');
  await finished(page).getByText('You said: Still connected?').waitFor();
  expect(sockets()).toBe(1);
  expect(complaints).toEqual([]);

  // The access token has long expired: the next connection renews it without a word.
  const again = page.waitForEvent('websocket');
  scene.chain.line.cut();
  await again;
  await connected(page);
  expect(created.slice(-2)).toEqual([401, 200]);
});

test('the portal is down: the chat that is open goes on', async () => {
  const { page, sockets } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  await connected(page);
  await scene.chain.portal.kill();
  await ask(page, 'Does anybody need the portal?');
  await finished(page).getByText('You said: Does anybody need the portal?').waitFor();
  expect(sockets()).toBe(1);
  await scene.chain.portal.start();
});

test('without ticks nginx ends the silent socket, and the page comes back each time', async () => {
  await scene.chain.configureGateway({ limits: { tickIntervalMs: 3_600_000 } });
  await scene.chain.gateway.kill();
  await scene.chain.gateway.start();
  const { page, frames } = await openPage(scene.browser, scene.chain, { user: 'bob' });
  await connected(page);
  await page.waitForEvent('websocket');
  await page.waitForEvent('websocket');
  expect(frames.items.some(isTick)).toBe(false);
  await ask(page, 'Here again?');
  await finished(page).getByText('You said: Here again?').waitFor();
});
