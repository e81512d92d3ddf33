/** The process that serves a page dies, and the page goes on with its conversation on another, through nginx. */

import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { answers, ask, connected, finished, openPage, transcript } from '../support/browser.ts';
import { chainScene } from '../support/chain-scene.ts';
import {
  DONE,
  events,
  finish,
  gate,
  lastUserText,
  role,
  says,
  text,
} from '../support/upstream/openai.ts';

const scene = chainScene({ workers: 2, gateway: { streaming: { checkpointMs: 10 } } });

/** Characters of answers that are durable by now. */
const savedChars = () =>
  scene.chain.gateway.lines
    .filter((line) => line['event'] === 'checkpoint')
    .reduce((sum, line) => sum + Number(line['chars']), 0);

/** The worker, and its process, that a user's page is on first. The line may come after the page knows. */
async function firstPlace(user: string): Promise<{ worker: number; pid: number }> {
  const line = await scene.chain.gateway.logged('connected', { user });
  return { worker: Number(line['worker']), pid: Number(line['pid']) };
}

/** What the model was asked, in its order. */
const asked = () => scene.chain.upstream.requests.map(({ body }) => lastUserText(body));

async function say(page: Page, words: string): Promise<void> {
  await ask(page, words);
  await finished(page).getByText(`You said: ${words}`).waitFor();
}

test('in mid-answer: what was said stays, what waited is answered once, and the page goes on', async () => {
  const { upstream, gateway } = scene.chain;
  const beginning = 'Once upon a time there was';
  const hold = gate();
  upstream.when(
    says('story'),
    events(role(), ...beginning.split(/(?<= )/).map(text), gate().promise),
  );
  upstream.when(
    says('what then'),
    events(role(), hold.promise, text('Held'), finish('stop'), DONE),
  );
  const { page, frames } = await openPage(scene.browser, scene.chain, { user: 'alice' });
  await connected(page);
  await say(page, 'Good morning');
  const { worker, pid } = await firstPlace('alice');

  const savedBefore = savedChars();
  await ask(page, 'Tell me a story');
  await answers(page).getByText(beginning).waitFor();
  await ask(page, 'And what then?');
  // Acknowledged, and so the gateway's to answer, whatever dies.
  const acknowledged = () => frames.items.filter((frame) => frame.includes('"status":"started"'));
  await expect.poll(() => acknowledged().length).toBe(3);
  await expect.poll(() => savedChars() - savedBefore).toBe(beginning.length);
  const moved = gateway.willLog('connected', { user: 'alice', worker: 1 - worker });
  process.kill(pid, 'SIGKILL');
  await gateway.logged('recovered', { worker: 1 - worker, interrupted: 1, queued: 1 });
  // While it has a run of hers, the other worker is where she is served.
  await moved;
  hold.open();

  await finished(page).getByText('Held').waitFor();
  await say(page, 'Thank you');
  const conversation = [
    'Good morning',
    'You said: Good morning',
    'Tell me a story',
    beginning,
    'And what then?',
    'Held',
    'Thank you',
    'You said: Thank you',
  ];
  expect(await transcript(page)).toEqual(conversation);
  expect(await page.getByText('This answer was interrupted').count()).toBe(1);
  expect(asked()).toEqual(conversation.filter((_, n) => n % 2 === 0));

  await page.reload();
  await finished(page).getByText('You said: Thank you').waitFor();
  expect(await transcript(page)).toEqual(conversation);
});

test('right after an answer: nothing of it is lost or shown twice, and the page goes on', async () => {
  const { upstream, gateway } = scene.chain;
  upstream.when(
    says('count'),
    events(role(), ...['One, ', 'two, ', 'three.'].map(text), finish('stop'), DONE),
  );
  const before = asked().length;
  const { page } = await openPage(scene.browser, scene.chain, { user: 'bob' });
  await connected(page);
  const { pid } = await firstPlace('bob');
  await ask(page, 'Please count');
  await finished(page).getByText('One, two, three.').waitFor();
  // By the other worker; or by the next of the same place, should that be there before the page.
  const back = gateway.willLog('connected', { user: 'bob' });
  process.kill(pid, 'SIGKILL');
  expect((await back)['pid']).not.toBe(pid);
  await say(page, 'Go on');
  const conversation = ['Please count', 'One, two, three.', 'Go on', 'You said: Go on'];
  expect(await transcript(page)).toEqual(conversation);
  expect(asked().slice(before)).toEqual(['Please count', 'Go on']);
  expect(await page.getByText('This answer was interrupted').count()).toBe(0);
});
