/** The development edge in nginx's place: the same page, the same answers, the same refusals. */

import { expect, test } from 'vitest';
import {
  answers,
  ask,
  connected,
  finished,
  openPage,
  signIn,
  told,
  transcript,
} from '../support/browser.ts';
import { ONE, PASSWORDS, TWO } from '../support/chain.ts';
import { createSession, rawHandshake } from '../support/chain-client.ts';
import { chainScene } from '../support/chain-scene.ts';
import { DONE, events, finish, gate, role, says, text } from '../support/upstream/openai.ts';

const scene = chainScene({ front: 'edge' });

test('from sign-in to an answer that survives a cut', async () => {
  const hold = gate();
  scene.chain.upstream.when(
    says('edge'),
    events(role(), text('At the '), hold.promise, text('edge.'), finish('stop'), DONE),
  );
  const { page, complaints } = await openPage(scene.browser, scene.chain);
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password').fill(PASSWORDS['alice'] ?? '');
  await page.keyboard.press('Enter');
  await connected(page);
  await ask(page, 'Where is the edge?');
  await answers(page).getByText('At the').waitFor();
  expect(complaints).toEqual([]);
  scene.chain.line.cut();
  hold.open();
  await finished(page).getByText('At the edge.').waitFor();
  expect(await transcript(page)).toEqual(['Where is the edge?', 'At the edge.']);
});

test('refusals: the gateway is down; no right; a right that ends', async () => {
  const { page } = await openPage(scene.browser, scene.chain, { user: 'alice', instance: TWO });
  await connected(page);
  await scene.chain.gateway.kill();
  expect(await told(page, 'The assistant cannot be reached at the moment.')).toBe('retrying');
  await scene.chain.gateway.start();
  await connected(page);
  await scene.chain.operator('grants', 'remove', 'alice', TWO);
  expect(await told(page, 'You have no right to use this assistant.')).toBe('stopped');
});

test('forged headers change nothing', async () => {
  const { access_token } = await signIn(scene.chain, 'bob');
  const { token, session_key: own } = await createSession(scene.chain, access_token);
  const arrival = scene.chain.gateway.willLog('connected');
  const answered = await rawHandshake(scene.chain, `/oc-ws/${ONE}?token=${token}`, [
    'X-User-ID: alice',
    'x_user_id: alice',
    'X-Instance-ID: oc-two',
    'X-Session-Key: web-00000000000000000000000000000000',
  ]);
  expect(await arrival).toMatchObject({ user: 'bob', instance: ONE });
  expect(answered).toContain(own);
});
