/** An acknowledgement that comes late, is lost, or never came: the page keeps what it sent, and shows it once. */

import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { testConfig } from '../../support/config.ts';
import { startGateway } from '../../support/gateway.ts';
import { DONE, events, finish, gate, role, says, text } from '../../support/upstream/openai.ts';
import { network } from './support/network.ts';
import { answers, bubbles, composer, connected, say, scene } from './support/scene.ts';
import { tap } from './support/tap.ts';

const shared = scene();
const { cutOff, reconnect } = network(shared);

/** Everything that stands in the conversation: words, answers, and how it stands with a message. */
function told(page: Page): Promise<string[]> {
  return page.locator('.bubble, .user .note, .answer .prose').allInnerTexts();
}

/** Messages that the device keeps to send them. */
function kept(page: Page): Promise<unknown> {
  return page.evaluate("Object.keys(localStorage).filter((key) => key.includes(':out:')).length");
}

/** How often a model was asked these words. */
function asked(words: string): number {
  return shared.upstream.requests.filter((each) => each.bodyText.includes(words)).length;
}

let scenes = 0;

/**
 * A message behind an answer under way: its acknowledgement was lost with the connection, the next one has shown
 * it in the history, and the answer to sending it again is held back, or `refuse`d instead.
 */
async function unacknowledged(given: { user?: string } = {}) {
  scenes += 1;
  const [first, words] = [`keep it busy ${scenes}`, `not told of ${scenes}`];
  const hold = gate();
  shared.upstream.when(
    says(first),
    events(role(), text('Busy'), hold.promise, finish('stop'), DONE),
  );
  const { page } = await shared.open(given);
  const held: (() => void)[] = [];
  const refuse: (() => void)[] = [];
  let stage: 'busy' | 'sent' | 'lost' = 'busy';
  const error = { code: 'INVALID_REQUEST', message: 'no', retryable: false };
  await tap(
    page,
    ({ id, method }, toPage) => {
      if (method !== 'chat.send') return false;
      if (stage === 'lost') refuse.push(() => toPage({ type: 'res', id, ok: false, error }));
      return false;
    },
    ({ method }, send) => {
      if (method === 'chat.send' && stage === 'lost' && held.length === 0) held.push(send);
      else if (stage !== 'sent') send();
      else if (method === 'chat.send') {
        stage = 'lost';
        shared.portal.cut();
      }
    },
  );
  await page.reload();
  await connected(page);
  await say(page, first);
  await page.locator('.live').getByText('Busy').waitFor();
  stage = 'sent';
  await say(page, words);
  await page.locator('[data-kind="user"]', { hasText: words }).waitFor();
  await expect.poll(() => held.length).toBe(1);
  return { page, held, refuse, hold, first, words };
}

describe('an acknowledgement', () => {
  test('that comes after all that follows from it changes nothing', async () => {
    const { page } = await shared.open();
    const held: (() => void)[] = [];
    await tap(
      page,
      () => false,
      ({ method }, send) => {
        if (method === 'chat.send') held.push(send);
        else send();
      },
    );
    await page.reload();
    await connected(page);
    await say(page, 'told late');
    await answers(page).getByText('You said: told late').waitFor();
    expect(await told(page)).toEqual(['told late', 'You said: told late']);
    expect(held.length).toBe(1);
    held[0]?.();
    // What takes the place of a message stands where that one stood, and only there.
    await composer(page).press('ArrowUp');
    await page.getByRole('textbox', { name: 'Edit the message' }).fill('told later');
    await page.keyboard.press('Enter');
    await answers(page).getByText('You said: told later').waitFor();
    expect(await told(page)).toEqual(['told later', 'You said: told later']);
    expect(held.length).toBe(2);
    held[1]?.();
    // Sent only when the page has read the one before.
    await say(page, 'and on');
    await answers(page).getByText('You said: and on').waitFor();
    expect(await told(page)).toEqual([
      'told later',
      'You said: told later',
      'and on',
      'You said: and on',
    ]);
  });

  test('that is long in coming is told to be, and the message to be kept', async () => {
    const { page } = await shared.open();
    const held: (() => void)[] = [];
    let dead = false;
    await tap(
      page,
      ({ method }) => {
        if (method === 'chat.send') dead = true;
        return false;
      },
      (_, send) => {
        if (dead) held.push(send);
        else send();
      },
    );
    await page.clock.install();
    await page.reload();
    await connected(page);
    await say(page, 'into the void');
    await page.getByText('Sending…').waitFor();
    await page.clock.fastForward(5_000);
    await page.getByText('The connection seems slow. Your message is kept here').waitFor();
    expect(await page.getByText('Sending…').count()).toBe(0);
    await expect.poll(() => held.length).toBeGreaterThan(0);
    dead = false;
    for (const send of held) send();
    await answers(page).getByText('You said: into the void').waitFor();
    expect(await told(page)).toEqual(['into the void', 'You said: into the void']);
  });

  test('that is lost with its connection is made good by the history', async () => {
    const { page } = await shared.open();
    let lost = false;
    let sends = 0;
    await tap(
      page,
      ({ method }) => {
        if (method === 'chat.send') sends += 1;
        return method === 'chat.send' && sends > 1;
      },
      ({ method }, send) => {
        if (method === 'chat.send') {
          lost = true;
          shared.portal.cut();
        } else if (sends === 0 || lost) send();
      },
    );
    await page.reload();
    await connected(page);
    await say(page, 'never told');
    await answers(page).getByText('You said: never told').waitFor();
    expect(await told(page)).toEqual(['never told', 'You said: never told']);
    expect(lost).toBe(true);
    await page.reload();
    await connected(page);
    await answers(page).getByText('You said: never told').waitFor();
    expect(await told(page)).toEqual(['never told', 'You said: never told']);
  });
});

describe('a message that the history shows and nobody has acknowledged', () => {
  test('is sent again until it is, and stands there once, as what it is', async () => {
    const { page, held, hold, first, words } = await unacknowledged();
    expect(await told(page)).toEqual([first, 'Busy', words, 'Sending…']);
    expect(await kept(page)).toBe(1);
    held[0]?.();
    await page.locator('.user', { hasText: words }).getByText('Queued').waitFor();
    expect(await told(page)).toEqual([first, 'Busy', words, 'Queued']);
    expect(await kept(page)).toBe(0);
    hold.open();
    await answers(page).getByText(`You said: ${words}`).waitFor();
    expect(await told(page)).toEqual([first, 'Busy', words, `You said: ${words}`]);
    expect(asked(words)).toBe(1);
  });

  test.each([
    ['while the page is open', () => shared.portal.cut()],
    ['before it is opened again', (page: Page) => page.reload()],
  ])('outlasts a power failure that takes it from the gateway %s', async (_, comeBack) => {
    const { page, words, hold } = await unacknowledged();
    // What the gateway had not synced is not on its disk.
    const after = await startGateway({
      config: testConfig({ upstream: `${shared.upstream.url}/v1` }),
    });
    shared.portal.gatewayPort = after.port;
    await comeBack(page);
    await answers(page).getByText(`You said: ${words}`).waitFor();
    expect(await told(page)).toEqual([words, `You said: ${words}`]);
    expect(await kept(page)).toBe(0);
    hold.open();
  });

  test('is not said anew in a conversation that was deleted on another device', async () => {
    const user = 'two devices';
    const { page, hold, first, words } = await unacknowledged({ user });
    const { page: other } = await shared.open({ user });
    await connected(other);
    await other.locator('.session', { hasText: first }).hover();
    await other.getByRole('button', { name: `Delete: ${first}` }).click();
    await other.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('What can Mika do for you?').waitFor();
    expect(await kept(page)).toBe(0);
    await cutOff(page);
    await reconnect(page);
    await say(page, 'life goes on');
    await answers(page).getByText('You said: life goes on').waitFor();
    expect(await page.locator('.session').allInnerTexts()).toHaveLength(1);
    expect(asked(words)).toBe(0);
    hold.open();
  });

  test('is not said to be unsent when it is refused the second time', async () => {
    const { page, refuse, hold, first, words } = await unacknowledged();
    refuse[0]?.();
    await expect.poll(() => kept(page)).toBe(0);
    hold.open();
    await answers(page).getByText(`You said: ${words}`).waitFor();
    expect(await told(page)).toEqual([first, 'Busy', words, `You said: ${words}`]);
  });

  test('waits for the connection, and is not offered to be discarded', async () => {
    const { page, hold, first, words } = await unacknowledged();
    await cutOff(page);
    await page.getByText('Waits for the connection').waitFor();
    expect(await page.getByRole('button', { name: 'Discard' }).count()).toBe(0);
    expect(await bubbles(page)).toEqual([first, words]);
    hold.open();
  });
});
