/** Too long, too many, too wide: what does not fit says so, and nothing of it is lost. */

import { describe, expect, test } from 'vitest';
import { connectClient } from '../../support/client.ts';
import { answer, says } from '../../support/upstream/openai.ts';
import { answers, composer, connected, say, scene } from './support/scene.ts';
import { INSTANCE } from './support/stub-portal.ts';

const shared = scene({
  gateway: {
    limits: { maxPayloadBytes: 600_000 },
    auth: {
      mode: 'trusted-proxy',
      trustedProxy: { allowLoopback: true },
      // To write long conversations without a model.
      identityScopes: { writer: ['operator.admin'] },
    },
  },
});

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

describe('size', () => {
  test('what the gateway would not take is not sent, and the connection stays', async () => {
    const { page } = await shared.open();
    await connected(page);
    const made = shared.portal.created();
    // Half of the limit as text, all of it on the wire.
    await composer(page).fill('"'.repeat(320_000));
    await composer(page).press('Enter');
    await page.getByRole('alert').getByText('too long').waitFor();
    await composer(page).fill('');
    await say(page, 'small');
    await answers(page).getByText('You said: small').waitFor();
    await composer(page).press('ArrowUp');
    await page.getByRole('textbox', { name: 'Edit the message' }).fill('"'.repeat(320_000));
    await page.getByRole('textbox', { name: 'Edit the message' }).press('Enter');
    await page.getByText('it is too large to be sent').waitFor();
    expect(shared.portal.created()).toBe(made);
    expect(await page.locator('.dot').getAttribute('data-state')).toBe('connected');
  });

  test('a message that is too long to be shown whole is edited whole', async () => {
    const { page } = await shared.open();
    await connected(page);
    shared.upstream.when(says('finis'), answer('Read.'));
    const words = `begin ${'lorem ipsum '.repeat(18_000)}finis`;
    await say(page, words);
    await answers(page).waitFor();
    await page.reload();
    await connected(page);
    await page.getByText('was shortened').first().waitFor();
    await composer(page).press('ArrowUp');
    const editor = page.getByRole('textbox', { name: 'Edit the message' });
    expect(await editor.inputValue()).toBe(words);
    await page.keyboard.press('Escape');
    const asked = shared.upstream.requests.length;
    await page.getByRole('button', { name: 'New answer' }).click();
    await expect.poll(() => shared.upstream.requests.length).toBe(asked + 1);
    expect(shared.upstream.requests.at(-1)?.bodyText).toContain('finis');
  });

  test('editing in the middle of a long conversation leaves no hole before it', async () => {
    const key = 'web-writer';
    const writer = { user: 'writer', instance: INSTANCE, session: key, check: false };
    const client = await connectClient({ port: shared.gateway.port, ...writer });
    const note = (each: number) =>
      client.request('chat.inject', { sessionKey: key, message: `Note ${each}.` });
    await client.say(key, 'the very beginning');
    for (let each = 0; each < 110; each += 1) await note(each);
    await client.say(key, 'the middle');
    for (let each = 110; each < 150; each += 1) await note(each);
    await client.close();
    const { page } = await shared.open({ user: 'writer' });
    await answers(page).getByText('Note 149.').waitFor();
    await page.locator('.transcript').hover();
    const seen = async () => {
      const rows = await page.locator('.row .prose').allInnerTexts();
      return rows.map((row) => row.split('.')[0] ?? '');
    };
    const middle = page.locator('.user', { hasText: 'the middle' });
    while ((await middle.count()) === 0) await page.mouse.wheel(0, -600);
    while (!(await seen()).includes('Note 80')) await page.mouse.wheel(0, -600);
    while ((await middle.count()) === 0) await page.mouse.wheel(0, 300);
    await middle.hover();
    await middle.getByRole('button', { name: 'Edit' }).click();
    await page.getByRole('textbox', { name: 'Edit the message' }).fill('another middle');
    await page.keyboard.press('Enter');
    await answers(page).getByText('You said: another middle').waitFor();
    await page.locator('.transcript').hover();
    const found = new Set(await seen());
    while ((await page.locator('.bubble', { hasText: 'the very beginning' }).count()) === 0) {
      await page.mouse.wheel(0, -400);
      for (const row of await seen()) found.add(row);
    }
    for (const row of await seen()) found.add(row);
    const missing = Array.from({ length: 110 }, (_, each) => `Note ${each}`).filter(
      (each) => !found.has(each),
    );
    expect(missing).toEqual([]);
    expect(found.has('Note 110')).toBe(false);
    // On paper stands all that is loaded, and nothing of what cannot be used there.
    await page.emulateMedia({ media: 'print' });
    const printed = await page.evaluate(`(async () => {
      dispatchEvent(new Event('beforeprint'));
      await Promise.resolve();
      return {
        rows: document.querySelectorAll('.row').length,
        inTheWay: [...document.querySelectorAll('.rail, .composer, button')].filter((e) => e.checkVisibility()).length,
        cut: document.querySelector('.transcript').scrollHeight - document.querySelector('.transcript').clientHeight,
      };
    })()`);
    expect(printed).toEqual({ rows: 114, inTheWay: 0, cut: 0 });
  }, 60_000);
});

describe('images', () => {
  test('dropped anywhere on the page are added, and the page stays', async () => {
    const { page } = await shared.open();
    await connected(page);
    await page.evaluate(`(() => {
      const bytes = Uint8Array.from(atob('${PNG.toString('base64')}'), (c) => c.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], 'dropped.png', { type: 'image/png' }));
      const place = document.querySelector('.rail');
      const fire = (type) => place.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));
      window.kept = [fire('dragover'), fire('drop')];
    })()`);
    await page.getByRole('img', { name: 'dropped.png' }).waitFor();
    // False: the browser's own way with dropped files was prevented.
    expect(await page.evaluate('window.kept')).toEqual([false, false]);
  });

  test('chosen before the page is connected wait in the composer, each in its conversation', async () => {
    shared.portal.create = { status: 503, code: 'unavailable' };
    const { page } = await shared.open();
    await page.locator('.dot[data-state="retrying"]').waitFor();
    const image = { name: 'early.png', mimeType: 'image/png', buffer: PNG };
    await page.locator('input[type=file]').setInputFiles(image);
    const early = page.locator('.composer').getByRole('img', { name: 'early.png' });
    await early.waitFor();
    shared.portal.create = undefined;
    await page.evaluate("dispatchEvent(new Event('online'))");
    await connected(page);
    expect(await early.count()).toBe(1);
    await say(page, 'take the early one');
    await answers(page).waitFor();
    await page.locator('input[type=file]').setInputFiles({ ...image, name: 'later.png' });
    const later = page.locator('.composer').getByRole('img', { name: 'later.png' });
    await later.waitFor();
    await page.getByRole('button', { name: 'New conversation' }).click();
    await later.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'take the early one', exact: true }).click();
    await later.waitFor();
  });

  test('added twice at once are all there, up to ten', async () => {
    const { page } = await shared.open();
    await connected(page);
    const files = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, at) => ({
        name: `p${from + at}.png`,
        mimeType: 'image/png',
        buffer: PNG,
      }));
    const choose = page.locator('input[type=file]');
    await choose.setInputFiles(files(0, 4));
    await choose.setInputFiles(files(4, 8));
    await page.getByRole('img', { name: 'p7.png' }).waitFor();
    await page.locator('.thumbs img').nth(7).waitFor();
    await choose.setInputFiles(files(8, 20));
    await page.getByRole('alert').getByText('At most 10').waitFor();
    expect(await page.locator('.thumbs img').count()).toBe(10);
    await page.getByRole('button', { name: 'Remove p0.png' }).click();
    await say(page, 'nine pictures');
    await answers(page).waitFor();
    expect(await page.locator('.user .thumbs img').count()).toBe(9);
  });
});

test('a name in the address is one line of text, whatever it holds', async () => {
  const name = `\u202Eevil\nline <b>${'W'.repeat(300)}`;
  const { page } = await shared.open({
    address: `?${new URLSearchParams({ instance_id: INSTANCE, name, model: '"><script>' }).toString()}`,
  });
  await page.route('**/api/**', () => new Promise(() => {}));
  await page.reload();
  const heading = await page.getByRole('heading', { level: 1 }).innerText();
  expect(heading).toBe(`evil line <b>${'W'.repeat(47)}`);
  expect((await composer(page).boundingBox())?.height).toBeLessThan(50);
});
