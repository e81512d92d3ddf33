/** What people do to a page besides using it: twice, too early, in two tabs, and on a full disk. */

import type { BrowserContext, Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { testConfig } from '../../support/config.ts';
import { startGateway, temporaryFolder } from '../../support/gateway.ts';
import {
  answer,
  DONE,
  events,
  finish,
  gate,
  role,
  says,
  text,
} from '../../support/upstream/openai.ts';
import { network } from './support/network.ts';
import { answers, bubbles, composer, connected, say, scene } from './support/scene.ts';
import { INSTANCE } from './support/stub-portal.ts';
import { tap } from './support/tap.ts';

const shared = scene();
const { mend, cutOff, reconnect } = network(shared);

async function anotherTab(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${shared.portal.url}?instance_id=${INSTANCE}`);
  return page;
}

describe('hurry', () => {
  test('a double-click on Send does not stop the answer that it began', async () => {
    const hold = gate();
    shared.upstream.when(
      says('click click'),
      events(role(), text('Begun'), hold.promise, text(' and ended.'), finish('stop'), DONE),
    );
    const { page } = await shared.open();
    await connected(page);
    await composer(page).fill('click click');
    const box = await page.getByRole('button', { name: 'Send', exact: true }).boundingBox();
    const [x, y] = [(box?.x ?? 0) + 10, (box?.y ?? 0) + 10];
    await page.mouse.move(x, y);
    await page.mouse.down({ clickCount: 1 });
    await page.mouse.up({ clickCount: 1 });
    await page.getByRole('button', { name: 'Stop' }).waitFor();
    await page.mouse.down({ clickCount: 2 });
    await page.mouse.up({ clickCount: 2 });
    await page.locator('.live').getByText('Begun').waitFor();
    hold.open();
    await answers(page).getByText('Begun and ended.').waitFor();
    expect(await bubbles(page)).toEqual(['click click']);
  });

  test('words sent before the page is connected arrive once, in order', async () => {
    shared.portal.create = { status: 503, code: 'unavailable' };
    const { page } = await shared.open();
    await say(page, 'first early word');
    await say(page, 'second early word');
    await reconnect(page);
    await answers(page).getByText('You said: second early word').waitFor();
    expect(await bubbles(page)).toEqual(['first early word', 'second early word']);
  });

  test('stop and send again at once: the first says that it was stopped, the second is answered', async () => {
    const hold = gate();
    shared.upstream.when(says('too long'), events(role(), text('So'), hold.promise));
    const { page } = await shared.open();
    await say(page, 'too long');
    await page.locator('.live').getByText('So').waitFor();
    await composer(page).fill('shorter');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    await answers(page).getByText('You said: shorter').waitFor();
    expect(await answers(page).first().innerText()).toContain('Stopped');
    expect(await bubbles(page)).toEqual(['too long', 'shorter']);
    hold.open();
  });

  test('a page of history that comes late never shows in the conversation opened meanwhile', async () => {
    const { page } = await shared.open();
    await connected(page);
    for (const words of ['about one', 'about two', 'about three']) {
      await page.getByRole('button', { name: 'New conversation' }).click();
      await say(page, words);
      await answers(page).getByText(`You said: ${words}`).waitFor();
    }
    const held: (() => void)[] = [];
    let holding = false;
    await tap(
      page,
      () => false,
      ({ method }, send) => {
        if (holding && method === 'chat.history') held.push(send);
        else send();
      },
    );
    await page.reload();
    await answers(page).getByText('You said: about three').waitFor();
    await connected(page);
    holding = true;
    for (const words of ['about one', 'about two', 'about one', 'about two']) {
      await page.getByRole('button', { name: words, exact: true }).click();
    }
    await expect.poll(() => held.length).toBeGreaterThanOrEqual(4);
    holding = false;
    for (const send of held.toReversed()) send();
    await answers(page).getByText('You said: about two').waitFor();
    expect(await bubbles(page)).toEqual(['about two']);
    await page.getByRole('button', { name: 'about one', exact: true }).click();
    await answers(page).getByText('You said: about one').waitFor();
    expect(await bubbles(page)).toEqual(['about one']);
  });

  test('a page of history that the gateway refuses is asked for again', async () => {
    const { page } = await shared.open();
    await say(page, 'still there');
    await answers(page).waitFor();
    let refused = 0;
    await tap(
      page,
      ({ id, method }, toPage) => {
        if (method !== 'chat.history' || refused > 0) return false;
        refused += 1;
        const error = { code: 'UNAVAILABLE', message: 'no', retryable: true, retryAfterMs: 20 };
        toPage({ type: 'res', id, ok: false, error });
        return true;
      },
      (_, send) => send(),
    );
    // Removed as the next page begins: the one before it may write its copy until the very end, and
    // words from that copy would show before anything was asked for.
    await page.addInitScript(
      'Object.keys(localStorage).filter((k) => /:(last|sessions)$/.test(k)).forEach((k) => localStorage.removeItem(k))',
    );
    await page.reload();
    await answers(page).getByText('You said: still there').waitFor();
    expect(refused).toBe(1);
  });
});

describe('two tabs', () => {
  test('a change that waits in both is made once, and neither says that it failed', async () => {
    const { page: one, context } = await shared.open();
    await say(one, 'to be changed');
    await answers(one).getByText('You said: to be changed').waitFor();
    await cutOff(one);
    await composer(one).press('ArrowUp');
    await one.getByRole('textbox', { name: 'Edit the message' }).fill('changed offline');
    await one.keyboard.press('Enter');
    await one.getByText('Waits for the connection').waitFor();
    const two = await anotherTab(context);
    await two.getByText('Waits for the connection').waitFor();
    mend();
    for (const page of [one, two]) {
      await page.evaluate("dispatchEvent(new Event('online'))");
    }
    for (const page of [one, two]) {
      await answers(page).getByText('You said: changed offline').waitFor();
      expect(await bubbles(page)).toEqual(['changed offline']);
      await page.reload();
      await answers(page).getByText('You said: changed offline').waitFor();
      await connected(page);
      expect(await bubbles(page)).toEqual(['changed offline']);
      expect(await page.getByText('Not sent').count()).toBe(0);
    }
  });

  test('signing out in one clears the other, and the next user finds nothing there', async () => {
    const { page: one, context } = await shared.open({ user: 'first-of-two' });
    await say(one, 'my secret');
    await answers(one).getByText('You said: my secret').waitFor();
    const two = await anotherTab(context);
    await answers(two).getByText('You said: my secret').waitFor();
    await two.getByRole('button', { name: 'Sign out' }).click();
    await one.getByLabel('User name').waitFor();
    // It was no sign-in that ended by itself, after which one could go on.
    await expect.poll(() => one.getByText('nothing is lost').count()).toBe(0);
    expect(await one.getByText('my secret').count()).toBe(0);
    await two.getByLabel('User name').fill('second-of-two');
    await two.getByLabel('Password').fill('secret');
    await two.keyboard.press('Enter');
    for (const page of [one, two]) {
      await connected(page);
      await page.getByText('What can Mika do for you?').waitFor();
      expect(await page.getByText('my secret').count()).toBe(0);
    }
  });

  test('a conversation deleted in one is left by the other', async () => {
    const { page: one, context } = await shared.open();
    await connected(one);
    await one.getByRole('button', { name: 'New conversation' }).click();
    await say(one, 'short lived');
    await answers(one).waitFor();
    const two = await anotherTab(context);
    await answers(two).getByText('You said: short lived').waitFor();
    await connected(two);
    await one.locator('.session', { hasText: 'short lived' }).hover();
    await one.getByRole('button', { name: 'Delete: short lived' }).click();
    await one.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await two.getByText('What can Mika do for you?').waitFor();
    await two.locator('.session').waitFor({ state: 'detached' });
    await say(two, 'life goes on');
    await answers(two).getByText('You said: life goes on').waitFor();
    expect(await bubbles(two)).toEqual(['life goes on']);
  });
});

test('the token says whose conversations are shown, whoever was known here before', async () => {
  const { page } = await shared.open({ user: 'known-before' });
  await say(page, 'of the first');
  await answers(page).getByText('You said: of the first').waitFor();
  // Another page of the portal signs somebody else in and knows nothing of ours.
  const payload = Buffer.from(JSON.stringify({ sub: 'somebody' })).toString('base64url');
  await page.route('**/api/**', () => new Promise(() => {}));
  await page.evaluate(`localStorage.setItem('sc_portal_token', 'access-1-x.${payload}.y')`);
  await page.reload();
  await page.locator('.composer').waitFor();
  expect(await page.getByText('of the first').count()).toBe(0);
  expect(await page.locator('.who-name').innerText()).toBe('somebody');
});

describe('storage', () => {
  test('that is forbidden keeps nobody from signing in and talking', async () => {
    const { page, context } = await shared.open({ signedIn: false });
    await context.addInitScript(
      "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError') } })",
    );
    await page.reload();
    await page.getByLabel('User name').fill('no-storage');
    await page.getByLabel('Password').fill('secret');
    await page.keyboard.press('Enter');
    await connected(page);
    await composer(page).fill('half a word');
    await page.getByRole('button', { name: 'New conversation' }).click();
    await say(page, 'hello without storage');
    await answers(page).getByText('You said: hello without storage').waitFor();
    expect(await bubbles(page)).toEqual(['hello without storage']);
  });

  test('that is full gives up what can be had again, not the sign-in', async () => {
    const { page } = await shared.open({ user: 'full-disk' });
    await say(page, 'keep me');
    await answers(page).waitFor();
    await page.evaluate(`(() => {
      const key = 'oc_chat:other:oc-x:last';
      let filler = '';
      for (let size = 4_000_000; size > 0; size = Math.floor(size / 2)) {
        try { localStorage.setItem(key, filler + 'x'.repeat(size)); filler += 'x'.repeat(size); } catch {}
      }
    })()`);
    shared.portal.oldestToken = 2;
    shared.portal.cut();
    await expect
      .poll(() => page.evaluate("localStorage.getItem('sc_portal_token')"))
      .not.toMatch(/^access-1-/);
    await connected(page);
    await page.reload();
    await connected(page);
    await answers(page).getByText('You said: keep me').waitFor();
  });
});

describe('without a connection', () => {
  test('what cannot be done is said and not shown as done', async () => {
    const { page } = await shared.open();
    await say(page, 'stays as it is');
    await answers(page).waitFor();
    await cutOff(page);
    await page.locator('.session').hover();
    await page.getByRole('button', { name: 'Rename: stays as it is' }).click();
    await page.getByRole('textbox', { name: 'Rename' }).fill('Other name');
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('That needs the connection').waitFor();
    expect(await page.locator('.session-title').allInnerTexts()).toEqual(['stays as it is']);
    await page.locator('.session').hover();
    await page.getByRole('button', { name: 'Delete: stays as it is' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await page.locator('.session-title').allInnerTexts()).toEqual(['stays as it is']);
    expect(await bubbles(page)).toEqual(['stays as it is']);
  });

  test('a new answer that was asked for can be given up, and the old one is there again', async () => {
    const { page } = await shared.open();
    await say(page, 'good enough');
    await answers(page).getByText('You said: good enough').waitFor();
    await cutOff(page);
    await page.getByRole('button', { name: 'New answer' }).click();
    await page.getByText('Waits for the connection').waitFor();
    await page.getByRole('button', { name: 'Discard' }).click();
    await answers(page).getByText('You said: good enough').waitFor();
    await reconnect(page);
    expect(await answers(page).count()).toBe(1);
  });

  test('an answer that is stopped is stopped as soon as there is one', async () => {
    const hold = gate();
    shared.upstream.when(says('stop me later'), events(role(), text('On and on'), hold.promise));
    const { page } = await shared.open();
    await say(page, 'stop me later');
    await page.locator('.live').getByText('On and on').waitFor();
    await cutOff(page);
    await page.keyboard.press('Escape');
    await page.getByRole('status').getByText('as soon as the connection is back').waitFor();
    await reconnect(page);
    await answers(page).getByText('Stopped').waitFor();
    expect(await answers(page).innerText()).toContain('On and on');
    hold.open();
  });

  test('whose end swallows the word that a change was begun, the change is still made once', async () => {
    const { page } = await shared.open();
    await say(page, 'before the change');
    await answers(page).getByText('You said: before the change').waitFor();
    let swallowed = false;
    await tap(
      page,
      () => false,
      ({ method }, send) => {
        if (method !== 'sessions.rewind' || swallowed) return send();
        swallowed = true;
        return shared.portal.cut();
      },
    );
    await page.reload();
    await connected(page);
    await composer(page).press('ArrowUp');
    await page.getByRole('textbox', { name: 'Edit the message' }).fill('after the change');
    await page.keyboard.press('Enter');
    await answers(page).getByText('You said: after the change').waitFor();
    expect(swallowed).toBe(true);
    expect(await bubbles(page)).toEqual(['after the change']);
  });
});

test('an answer that a restart of the gateway cut off says so', async () => {
  const stateDir = await temporaryFolder();
  const config = testConfig({
    upstream: `${shared.upstream.url}/v1`,
    logging: { level: 'debug' },
  });
  const hold = gate();
  shared.upstream.script(
    events(role(), text('Only this far'), hold.promise),
    answer('This time whole.'),
  );
  const first = await startGateway({ config, stateDir });
  shared.portal.gatewayPort = first.port;
  const { page } = await shared.open();
  await say(page, 'be cut off');
  await page.locator('.live').getByText('Only this far').waitFor();
  await first.logged('checkpoint');
  first.signal('SIGKILL');
  await first.exited;
  const second = await startGateway({ config, stateDir });
  shared.portal.gatewayPort = second.port;
  await answers(page).getByText('This answer was interrupted').waitFor();
  expect(await answers(page).innerText()).toContain('Only this far');
  await page.getByRole('button', { name: 'New answer' }).click();
  await answers(page).getByText('This time whole.').waitFor();
  expect(await page.getByText('This answer was interrupted').count()).toBe(0);
  hold.open();
}, 60_000);
