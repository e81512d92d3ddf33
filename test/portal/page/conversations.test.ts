/** Several conversations: titles, names, removal, search, models, and very long ones. */

import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { connectClient } from '../../support/client.ts';
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
import { answers, composer, connected, say, scene } from './support/scene.ts';
import { INSTANCE } from './support/stub-portal.ts';

const shared = scene({
  gateway: {
    auth: {
      mode: 'trusted-proxy',
      trustedProxy: { allowLoopback: true },
      // To write long conversations without a model.
      identityScopes: { root: ['operator.admin'] },
    },
  },
});

function titles(page: Page): Promise<string[]> {
  return page.locator('.session-title').allInnerTexts();
}

async function newConversation(page: Page, words: string): Promise<void> {
  await page.getByRole('button', { name: 'New conversation' }).click();
  await say(page, words);
  await answers(page).getByText(`You said: ${words}`).waitFor();
}

function modelOf(page: Page): Promise<unknown> {
  return page.evaluate("document.querySelector('select.model')?.value");
}

/** Pixels between the end of the conversation and the end of what is seen. */
async function fromEnd(page: Page): Promise<number> {
  const left = await page.evaluate(
    "(() => { const t = document.querySelector('.transcript'); return t.scrollHeight - t.scrollTop - t.clientHeight })()",
  );
  return Number(left);
}

describe('the list of conversations', () => {
  test('has each under its first words, newest first, and opens them', async () => {
    const { page } = await shared.open();
    await connected(page);
    await newConversation(page, 'about apples');
    await newConversation(page, 'about pears');
    expect(await titles(page)).toEqual(['about pears', 'about apples']);
    await page.getByRole('button', { name: 'about apples', exact: true }).click();
    await answers(page).getByText('You said: about apples').waitFor();
    await expect.poll(() => page.title()).toContain('about apples');
    await page.reload();
    await answers(page).getByText('You said: about apples').waitFor();
    expect(await page.locator('.bubble').allInnerTexts()).toEqual(['about apples']);
  });

  test('keeps a new name, on the gateway', async () => {
    const { page } = await shared.open();
    await connected(page);
    await newConversation(page, 'to be renamed');
    await page.locator('.session').hover();
    await page.getByRole('button', { name: 'Rename: to be renamed' }).click();
    await page.getByRole('textbox', { name: 'Rename' }).fill('Better name');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Better name', exact: true }).waitFor();
    await page.evaluate(
      "Object.keys(localStorage).filter((k) => k.startsWith('oc_chat:')).forEach((k) => localStorage.removeItem(k))",
    );
    await page.reload();
    await page.getByRole('button', { name: 'Better name', exact: true }).waitFor();
    expect(await titles(page)).toEqual(['Better name']);
  });

  test('asks before one is deleted, and then it is gone', async () => {
    const { page } = await shared.open();
    await connected(page);
    await newConversation(page, 'keep me');
    await newConversation(page, 'delete me');
    await page.locator('.session', { hasText: 'delete me' }).hover();
    await page.getByRole('button', { name: 'Delete: delete me' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    expect(await titles(page)).toEqual(['delete me', 'keep me']);
    await page.locator('.session', { hasText: 'delete me' }).hover();
    await page.getByRole('button', { name: 'Delete: delete me' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('What can Mika do for you?').waitFor();
    await page.reload();
    await connected(page);
    await page.getByRole('button', { name: 'keep me', exact: true }).waitFor();
    expect(await titles(page)).toEqual(['keep me']);
  });

  test('follows another tab of the same user, answers and all', async () => {
    const user = 'two-tabs';
    const { page: one } = await shared.open({ user });
    const { page: two } = await shared.open({ user });
    await connected(one);
    await connected(two);
    await say(one, 'from the first tab');
    await answers(two).getByText('You said: from the first tab').waitFor();
    expect(await two.locator('.bubble').allInnerTexts()).toEqual(['from the first tab']);
  });

  test('marks one that was answered while another was read', async () => {
    const hold = gate();
    shared.upstream.when(
      says('take your time'),
      events(role(), text('Slow'), hold.promise, text('ly'), finish('stop'), DONE),
    );
    const { page } = await shared.open();
    await connected(page);
    await newConversation(page, 'other one');
    await page.getByRole('button', { name: 'New conversation' }).click();
    await say(page, 'take your time');
    await page.locator('.live').getByText('Slow').waitFor();
    await page.getByRole('button', { name: 'other one', exact: true }).click();
    await page.getByRole('img', { name: 'answering' }).waitFor();
    hold.open();
    await page.getByRole('img', { name: 'new answer' }).waitFor();
    await page
      .getByRole('button', { name: /take your time/ })
      .first()
      .click();
    await answers(page).getByText('Slowly').waitFor();
    await page.getByRole('img', { name: 'new answer' }).waitFor({ state: 'detached' });
    expect(await page.getByRole('img', { name: 'answering' }).count()).toBe(0);
  });
});

describe('search', () => {
  test('finds titles and words with the keyboard alone, in Chinese too', async () => {
    const { page } = await shared.open();
    await connected(page);
    shared.upstream.when(says('行程'), answer('清水寺在京都的东边。'));
    await page.getByRole('button', { name: 'New conversation' }).click();
    await say(page, '帮我安排行程');
    await answers(page).getByText('清水寺').waitFor();
    await newConversation(page, 'something else');
    await page.keyboard.press('Control+k');
    const field = page.getByRole('combobox', { name: 'Find a conversation or a message' });
    await field.fill('清水');
    await page.getByRole('option', { name: /清水寺/ }).waitFor();
    await field.press('Enter');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.locator('.row.found', { hasText: '清水寺' }).waitFor();
    await page.keyboard.press('Control+k');
    await field.fill('something');
    await page.getByRole('option', { name: 'something else' }).first().waitFor();
    await field.press('Enter');
    await answers(page).getByText('You said: something else').waitFor();
    expect(await page.locator('.bubble').allInnerTexts()).toEqual(['something else']);
  });

  test('says when there is nothing', async () => {
    const { page } = await shared.open();
    await connected(page);
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: /^Find/ }).fill('zzzz');
    await page.getByText('Nothing found.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await page.locator('.composer').isVisible()).toBe(true);
  });
});

describe('the model', () => {
  test('can be chosen per conversation', async () => {
    const { page } = await shared.open();
    await connected(page);
    const picker = page.getByRole('combobox', { name: 'Model' });
    await picker.selectOption({ label: 'mock-2' });
    await say(page, 'who answers first');
    await answers(page).waitFor();
    await page.reload();
    await connected(page);
    await picker.waitFor();
    await expect.poll(() => modelOf(page)).toBe('mock/mock-2');
    await picker.selectOption({ label: 'mock-1' });
    await say(page, 'who answers now');
    await answers(page).nth(1).waitFor();
    const models = shared.upstream.requests
      .filter((each) => each.bodyText.includes('who answers'))
      .map((each) => JSON.parse(each.bodyText).model);
    expect(models).toEqual(['mock-2', 'mock-1']);
  });

  test('is preselected by the address, if it is offered', async () => {
    const { page } = await shared.open({ address: '?instance_id=oc-ai-jp-2-02&model=mock-2' });
    const picker = page.getByRole('combobox', { name: 'Model' });
    await expect.poll(() => modelOf(page)).toBe('mock/mock-2');
    expect(await picker.inputValue()).toBe('mock/mock-2');
    const { page: other } = await shared.open({
      address: '?instance_id=oc-ai-jp-2-02&model=gpt-9',
    });
    await other.getByRole('combobox', { name: 'Model' }).waitFor();
    expect(await other.getByRole('combobox', { name: 'Model' }).inputValue()).toBe('mock/mock-1');
  });
});

describe('a long conversation', () => {
  test('is loaded as it is scrolled back, shown in part, and misses nothing', async () => {
    const many = 600;
    const key = 'web-root';
    const root = { user: 'root', instance: INSTANCE, session: key, check: false };
    const client = await connectClient({ port: shared.gateway.port, ...root });
    await client.say(key, 'the very beginning');
    const written = Array.from({ length: many }, (_, each) => {
      // Every third is longer, so that heights differ.
      const message = `Note ${each}.${' And more words.'.repeat(each % 3 === 0 ? 20 : 1)}`;
      return client.request('chat.inject', { sessionKey: key, message });
    });
    await Promise.all(written);
    await client.close();
    const { page } = await shared.open({ user: 'root' });
    await answers(page)
      .getByText(`Note ${many - 1}.`)
      .waitFor();
    await page.locator('.transcript').hover();
    const seen = new Set<string>();
    let most = 0;
    const look = async () => {
      const rows: unknown = await page.evaluate(
        "[...document.querySelectorAll('.row .prose')].map((each) => each.innerText.split('.')[0])",
      );
      if (!Array.isArray(rows)) throw new Error('no rows');
      most = Math.max(most, rows.length);
      for (const row of rows) seen.add(String(row));
    };
    while ((await page.locator('.bubble').count()) === 0) {
      await page.mouse.wheel(0, -900);
      await look();
    }
    await look();
    // All notes, and the answer to the very first message.
    expect(seen.size).toBe(many + 1);
    expect(most).toBeLessThan(100);
    await page.getByRole('button', { name: 'Latest' }).click();
    await answers(page)
      .getByText(`Note ${many - 1}.`)
      .waitFor();
    await expect.poll(() => fromEnd(page)).toBeLessThan(2);
  }, 90_000);

  test('stays where the reader is while an answer grows, and follows when asked to', async () => {
    const [first, second] = [gate(), gate()];
    const lines = (name: string) =>
      Array.from({ length: 60 }, (_, at) => `${name} ${at}\n\n`).join('');
    shared.upstream.when(
      says('grow'),
      events(
        role(),
        text(lines('A')),
        first.promise,
        text(lines('B')),
        second.promise,
        text('End.'),
        finish('stop'),
        DONE,
      ),
    );
    const { page } = await shared.open();
    await say(page, 'grow');
    await page.getByText('A 59').waitFor();
    const list = page.locator('.transcript');
    await list.hover();
    await page.mouse.wheel(0, -600);
    await expect.poll(() => fromEnd(page)).toBeGreaterThan(598);
    const top = Number(await page.evaluate("document.querySelector('.transcript').scrollTop"));
    first.open();
    await page.getByText('B 59').waitFor();
    expect(Number(await page.evaluate("document.querySelector('.transcript').scrollTop"))).toBe(
      top,
    );
    await page.getByRole('button', { name: 'Latest' }).click();
    second.open();
    await answers(page).getByText('End.').waitFor();
    await expect.poll(() => fromEnd(page)).toBeLessThan(2);
    expect(await composer(page).isVisible()).toBe(true);
  });
});
