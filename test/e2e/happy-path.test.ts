/** From sign-in to an answer, through nginx, in a browser. */

import { expect, test } from 'vitest';
import { answers, ask, connected, finished, openPage, transcript } from '../support/browser.ts';
import { ONE, PASSWORDS } from '../support/chain.ts';
import { chainScene } from '../support/chain-scene.ts';
import { DONE, events, finish, gate, role, says, text } from '../support/upstream/openai.ts';

const scene = chainScene();

test('sign-in, a streamed answer, stop, a second message, and all of it after a reload', async () => {
  const { upstream } = scene.chain;
  const hold = gate();
  upstream.when(
    says('count'),
    events(role(), text('One, two, '), hold.promise, text('three.'), finish('stop'), DONE),
  );
  upstream.when(says('for ever'), events(role(), text('Never '), text('ending '), gate().promise));
  const { page, complaints } = await openPage(scene.browser, scene.chain);

  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password').fill(PASSWORDS['alice'] ?? '');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'What can Mika do for you?' }).waitFor();
  await connected(page);

  await ask(page, 'Please count');
  await answers(page).getByText('One, two,').waitFor();
  expect(await page.getByRole('button', { name: 'Stop' }).isVisible()).toBe(true);
  hold.open();
  await finished(page).getByText('One, two, three.').waitFor();

  await ask(page, 'Go on for ever');
  await answers(page).getByText('Never ending').waitFor();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByText('Stopped').waitFor();
  const dropped = await upstream.request(1);
  expect(await dropped.closed).toBe('dropped');

  await ask(page, 'Still there?');
  await finished(page).getByText('You said: Still there?').waitFor();
  const said = [
    'Please count',
    'One, two, three.',
    'Go on for ever',
    'Never ending',
    'Still there?',
    'You said: Still there?',
  ];
  expect(await transcript(page)).toEqual(said);

  await page.reload();
  await connected(page);
  await finished(page).getByText('You said: Still there?').waitFor();
  expect(await transcript(page)).toEqual(said);
  expect(await page.getByText('Stopped').count()).toBe(1);
  expect(complaints).toEqual([]);

  const logs = await scene.chain.logs();
  expect(logs.includes(`"instance":"${ONE}"`)).toBe(true);
  for (const secret of [PASSWORDS['alice'] ?? '', 'sk-key-of', 'admin-token-of', 'Never ending']) {
    expect(logs.includes(secret), secret).toBe(false);
  }
  expect(/token=[A-Za-z0-9_-]{8}/.exec(logs)).toBe(null);
});
