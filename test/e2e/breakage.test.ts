/** What breaks in the middle of an answer: the page ends with exactly what was said, no gap and no double. */

import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
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
import { createSession, enter } from '../support/chain-client.ts';
import { chainScene } from '../support/chain-scene.ts';
import { DONE, events, finish, gate, role, says, text } from '../support/upstream/openai.ts';

const scene = chainScene({
  gateway: { limits: { tickIntervalMs: 2_000 }, shutdown: { graceSeconds: 10 } },
});

const FIRST = words(0, 40);
const SECOND = words(40, 80);
const THIRD = words(80, 120);
const WHOLE = [...FIRST, ...SECOND, ...THIRD].join('').trim();

function words(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, at) => `w${from + at} `);
}

/** An answer in three parts: the second and the third come when the test says so. */
function inThreeParts(question: string) {
  const second = gate();
  const third = gate();
  const parts = [FIRST.map(text), second.promise, SECOND.map(text), third.promise, THIRD.map(text)];
  scene.chain.upstream.when(says(question), events(role(), ...parts.flat(), finish('stop'), DONE));
  return { second: second.open, third: third.open };
}

async function begin(page: Page, question: string): Promise<void> {
  await connected(page);
  await page.getByRole('button', { name: 'New conversation' }).click();
  await ask(page, question);
  await answers(page).getByText('w39').waitFor();
}

/** The conversation once its answer has ended. */
async function inTheEnd(page: Page): Promise<string[]> {
  await finished(page).getByText('w119').waitFor();
  return transcript(page);
}

test('nginx is reloaded: the same socket goes on, not a word is lost', async () => {
  const { page, sockets, complaints } = await openPage(scene.browser, scene.chain, {
    user: 'alice',
  });
  const question = 'Go on while nginx reloads';
  const answer = inThreeParts(question);
  await begin(page, question);
  scene.chain.reloadNginx();
  answer.second();
  await answers(page).getByText('w79').waitFor();
  // Served by the new worker, which proves that the reload has taken place.
  const other = await openPage(scene.browser, scene.chain, { user: 'bob' });
  await connected(other.page);
  answer.third();
  expect(await inTheEnd(page)).toEqual([question, WHOLE]);
  expect(sockets()).toBe(1);
  expect(complaints).toEqual([]);
});

test('the network is cut: the answer continues where it was', async () => {
  const { page, sockets } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  const question = 'Go on while the network goes';
  const answer = inThreeParts(question);
  await begin(page, question);
  scene.chain.line.cut();
  answer.second();
  await answers(page).getByText('w79').waitFor();
  scene.chain.line.cut();
  expect(await told(page, 'The connection was cut.')).toBe('retrying');
  answer.third();
  expect(await inTheEnd(page)).toEqual([question, WHOLE]);
  expect(sockets()).toBe(3);
});

test('the network falls silent: noticed by the missing ticks', async () => {
  const { page, sockets } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  const question = 'Go on while nothing is heard';
  const answer = inThreeParts(question);
  await begin(page, question);
  const again = page.waitForEvent('websocket');
  scene.chain.line.silence();
  answer.second();
  await again;
  answer.third();
  expect(await inTheEnd(page)).toEqual([question, WHOLE]);
  expect(sockets()).toBe(2);
});

test('the browser is offline for a while: said, and what was written then is sent after', async () => {
  const { page, context } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  const question = 'Go on while I am away';
  const answer = inThreeParts(question);
  await begin(page, question);
  await context.setOffline(true);
  expect(await told(page, 'You are offline.')).toBe('offline');
  answer.second();
  answer.third();
  await ask(page, 'Written without a network');
  await page.getByText('Waits for the connection').waitFor();
  await context.setOffline(false);
  await finished(page).getByText('You said: Written without a network').waitFor();
  expect(await transcript(page)).toEqual([
    question,
    WHOLE,
    'Written without a network',
    'You said: Written without a network',
  ]);
});

test("an nginx worker is killed: the page comes back through the next one's", async () => {
  const { page } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  const question = 'Go on without that worker';
  const answer = inThreeParts(question);
  await begin(page, question);
  const again = page.waitForEvent('websocket');
  for (const worker of await workersOf(scene.chain.nginxPid())) process.kill(worker, 'SIGKILL');
  await again;
  answer.second();
  answer.third();
  expect(await inTheEnd(page)).toEqual([question, WHOLE]);
});

test('the gateway is asked to stop: it ends the answer first, and history has it', async () => {
  const { page } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  const question = 'Go on while you are asked to stop';
  const answer = inThreeParts(question);
  await begin(page, question);
  const stopping = scene.chain.gateway.willLog('stopping');
  scene.chain.gateway.signal('SIGTERM');
  await stopping;
  answer.second();
  answer.third();
  await scene.chain.gateway.gone();
  await scene.chain.gateway.start();
  await connected(page);
  expect(await inTheEnd(page)).toEqual([question, WHOLE]);
});

test('the gateway is killed: what is shown is what history has, marked as interrupted', async () => {
  const { page } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  const question = 'Go on until you are killed';
  inThreeParts(question);
  const stored = scene.chain.gateway.willLog('checkpoint');
  await begin(page, question);
  await stored;
  await scene.chain.gateway.kill();
  expect(await told(page, 'Trying again')).toBe('retrying');
  await scene.chain.gateway.start();
  await page.getByText('This answer was interrupted').waitFor();
  const shown = await transcript(page);
  expect(shown).toEqual([question, expect.stringMatching(/^w0 (?:w\d+ ?)*$/)]);

  const { access_token } = await signIn(scene.chain, 'alice');
  const client = await enter(scene.chain, {
    token: (await createSession(scene.chain, access_token)).token,
  });
  const listed = await client.ask('sessions.list', { search: question, limit: 1 });
  const [{ key }] = listed.payload.sessions;
  const { payload } = await client.ask('chat.history', { sessionKey: key });
  const kept = payload.messages.map((message: { content: { text: string }[] | string }) =>
    typeof message.content === 'string'
      ? message.content
      : message.content.map((part) => part.text).join(''),
  );
  expect(shown).toEqual(kept.map((each: string) => each.trim()));
  expect(payload.messages.at(-1)['__openclaw'].state).toBe('interrupted');

  await ask(page, 'And now?');
  await finished(page).getByText('You said: And now?').waitFor();
});

async function workersOf(master: number): Promise<number[]> {
  const children = await readFile(`/proc/${master}/task/${master}/children`, 'utf8');
  return children.trim().split(/\s+/).map(Number);
}
