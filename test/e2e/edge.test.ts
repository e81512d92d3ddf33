/** The development edge in nginx's place: the same page, the same answers, the same refusals. */

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  answers,
  ask,
  connected,
  finished,
  launchBrowser,
  openPage,
  signIn,
  told,
  transcript,
} from '../support/browser.ts';
import { type ChainUnderTest, ONE, PASSWORDS, startChain, TWO } from '../support/chain.ts';
import { createSession, rawHandshake } from '../support/chain-client.ts';
import { DONE, events, finish, gate, role, says, text } from '../support/upstream/openai.ts';

let chain: ChainUnderTest;
let browser: Browser;

beforeAll(async () => {
  [chain, browser] = await Promise.all([startChain({ front: 'edge' }), launchBrowser()]);
});
afterAll(async () => {
  await browser.close();
  await chain.stop();
});

test('from sign-in to an answer that survives a cut', async () => {
  const hold = gate();
  chain.upstream.when(
    says('edge'),
    events(role(), text('At the '), hold.promise, text('edge.'), finish('stop'), DONE),
  );
  const { page, complaints } = await openPage(browser, chain);
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password').fill(PASSWORDS['alice'] ?? '');
  await page.keyboard.press('Enter');
  await connected(page);
  await ask(page, 'Where is the edge?');
  await answers(page).getByText('At the').waitFor();
  expect(complaints).toEqual([]);
  chain.line.cut();
  hold.open();
  await finished(page).getByText('At the edge.').waitFor();
  expect(await transcript(page)).toEqual(['Where is the edge?', 'At the edge.']);
});

test('refusals: the gateway is down; no right; a right that ends', async () => {
  const { page } = await openPage(browser, chain, { user: 'alice', instance: TWO });
  await connected(page);
  await chain.gateway.kill();
  expect(await told(page, 'The proxy cannot reach the gateway')).toBe('retrying');
  await chain.gateway.start();
  await connected(page);
  await chain.operator('grants', 'remove', 'alice', TWO);
  expect(await told(page, 'You have no right to use this assistant.')).toBe('stopped');
});

test('forged headers change nothing', async () => {
  const { access_token } = await signIn(chain, 'bob');
  const { token, session_key: own } = await createSession(chain, access_token);
  const arrival = chain.gateway.willLog('connected');
  const answered = await rawHandshake(chain, `/oc-ws/${ONE}?token=${token}`, [
    'X-User-ID: alice',
    'x_user_id: alice',
    'X-Instance-ID: oc-two',
    'X-Session-Key: web-00000000000000000000000000000000',
  ]);
  expect(await arrival).toMatchObject({ user: 'bob', instance: ONE });
  expect(answered).toContain(own);
});
