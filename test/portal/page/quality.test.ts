/** What cannot be seen in one behaviour: weight, speed, accessibility, the security policy. */

import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { builtPage } from '../../support/page-build.ts';
import { pause } from '../../support/upstream/http.ts';
import {
  answer,
  DONE,
  events,
  failure,
  finish,
  gate,
  role,
  says,
  text,
} from '../../support/upstream/openai.ts';
import { answers, composer, connected, say, scene } from './support/scene.ts';

const RICH = [
  '## A heading',
  'Words with `code`, **weight** and a [link](https://x.example).',
  '| a | b |\n|---|---:|\n| 1 | 2 |',
  '```js\nconst x = 1;\n```',
  '- [x] done\n- [ ] open',
  '> quoted',
  'Formula $x^2$.',
].join('\n\n');

const shared = scene({ defaults: { reasoningDefault: 'on' } });

describe('the built page', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await builtPage();
  });

  test('begins with at most 90 kB of JavaScript, compressed', () => {
    const html = readFileSync(join(folder, 'index.html'), 'utf8');
    const files = [...html.matchAll(/(?:src|href)="\/portal\/chat\/(assets\/[^"]+\.js)"/g)];
    const bytes = files.map(([, path]) => gzipSync(readFileSync(join(folder, path ?? ''))).length);
    expect(bytes.length).toBeGreaterThan(0);
    expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThan(90_000);
  });

  test('has no script, style or handler in its HTML, and no HTML in its scripts', () => {
    const html = readFileSync(join(folder, 'index.html'), 'utf8');
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=/);
    const own = readdirSync(join(folder, 'assets')).filter((name) =>
      /^(?:shell|index|main)-.*\.js$/.test(name),
    );
    expect(own.length).toBe(3);
    for (const name of own) {
      expect(readFileSync(join(folder, 'assets', name), 'utf8')).not.toMatch(
        /insertAdjacentHTML|document\.write|outerHTML|\beval\(|new Function/,
      );
    }
  });
});

describe('accessibility', () => {
  async function violations(page: Page): Promise<string[]> {
    const source = await readFile(
      join(import.meta.dirname, '../../../node_modules/axe-core/axe.min.js'),
      'utf8',
    );
    await page.evaluate(source);
    // Colours are judged as they end up, not while they fade in.
    await page.evaluate(
      'Promise.allSettled(document.getAnimations().filter((a) => a.effect.getTiming().iterations !== Infinity).map((a) => a.finished)).then(() => undefined)',
    );
    const found: unknown = await page.evaluate(
      `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
        .then((r) => r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html).join(' ')))`,
    );
    return Array.isArray(found) ? found.map(String) : ['axe gave no answer'];
  }

  test.each([
    { dark: false, phone: false, locale: 'en-US' },
    { dark: true, phone: true, locale: 'zh-CN' },
  ])(
    'axe finds nothing in any state (%o)',
    async (look) => {
      shared.upstream.when(says('rich'), answer(RICH));
      shared.upstream.when(says('fail'), failure(400, 'bad_request'));
      const { page: door } = await shared.open({ ...look, signedIn: false });
      await door.locator('input[type=password]').waitFor();
      expect(await violations(door)).toEqual([]);
      const { page: picker } = await shared.open({ ...look, address: '' });
      await picker.locator('.choices a').waitFor();
      expect(await violations(picker)).toEqual([]);
      const { page } = await shared.open(look);
      await page.locator('.greeting h2').waitFor();
      expect(await violations(page)).toEqual([]);
      const field = page.locator('.composer textarea');
      await field.fill('rich');
      await field.press('Enter');
      await page.locator('.answer .katex').waitFor();
      await answers(page).waitFor();
      await field.fill('fail');
      await field.press('Enter');
      await page.locator('.failure').waitFor();
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press('Control+k');
      await page.getByRole('dialog').waitFor();
      expect(await violations(page)).toEqual([]);
      await page.getByRole('combobox', { expanded: true }).fill('rich');
      await page.locator('dialog .head-line').waitFor();
      expect(await violations(page)).toEqual([]);
    },
    60_000,
  );

  test('targets are 40 px on touch', async () => {
    shared.upstream.when(says('rich'), answer(RICH));
    const { page } = await shared.open({ phone: true });
    await say(page, 'rich');
    await answers(page).waitFor();
    const small: unknown = await page.evaluate(`[...document.querySelectorAll('button, select')]
      .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest('.rail'))
      .map((e) => ({ name: e.ariaLabel ?? e.textContent, box: e.getBoundingClientRect() }))
      .filter(({ box }) => box.width < 40 || box.height < 40)
      .map(({ name }) => name)`);
    expect(small).toEqual([]);
  });

  test('the focus stays in the composer while an answer comes and ends', async () => {
    const { page } = await shared.open();
    await say(page, 'focus');
    await answers(page).waitFor();
    expect(await page.evaluate('document.activeElement.tagName')).toBe('TEXTAREA');
  });

  test('the focus is never lost with what had it', async () => {
    const { page } = await shared.open();
    await connected(page);
    await page.getByRole('button', { name: 'New conversation' }).click();
    await say(page, 'where is the focus');
    await answers(page).waitFor();
    const isBack = async () => {
      const found = () => page.evaluate("document.activeElement.closest('.composer') !== null");
      await expect.poll(found).toBe(true);
    };
    await composer(page).press('ArrowUp');
    await page.getByRole('textbox', { name: 'Edit the message' }).press('Escape');
    await isBack();
    await page.getByRole('button', { name: 'New answer' }).press('Enter');
    await page.getByRole('button', { name: '2 versions' }).waitFor();
    await isBack();
    await page.getByRole('button', { name: 'Delete: where is the focus' }).press('Enter');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).press('Enter');
    await page.locator('.session').waitFor({ state: 'detached' });
    await isBack();
    await page.getByRole('button', { name: 'Write a haiku' }).press('Enter');
    await answers(page).waitFor();
    await isBack();
  });

  test('the focus is in the composer from the click on Stop on, but on a phone', async () => {
    const hold = gate();
    shared.upstream.when(
      says('on and on'),
      events(role(), text('So far'), hold.promise, finish('stop'), DONE),
    );
    const focused = "document.activeElement.closest('.composer textarea') !== null";
    const { page } = await shared.open();
    await say(page, 'on and on');
    await page.locator('.live').getByText('So far').waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    expect(await page.evaluate(focused)).toBe(true);
    await answers(page).getByText('Stopped').waitFor();
    await page.keyboard.type('and then');
    expect(await composer(page).inputValue()).toBe('and then');
    // It may also end while somebody is about to stop it.
    await say(page, 'on and on');
    await page.locator('.live').getByText('So far').waitFor();
    await page.getByRole('button', { name: 'Stop' }).focus();
    hold.open();
    await answers(page).nth(1).waitFor();
    await expect.poll(() => page.evaluate(focused)).toBe(true);
    // There it would bring up the keyboard.
    const { page: phone } = await shared.open({ phone: true });
    const again = gate();
    shared.upstream.when(says('on the phone'), events(role(), text('So far'), again.promise));
    await say(phone, 'on the phone');
    await phone.locator('.live').getByText('So far').waitFor();
    await phone.getByRole('button', { name: 'Stop' }).tap();
    await answers(phone).getByText('Stopped').waitFor();
    expect(await phone.evaluate(focused)).toBe(false);
    again.open();
  });
});

test('odd content never makes a phone scroll sideways', async () => {
  const odd = [
    'x'.repeat(400),
    '这是一段没有空格的很长的中文文字'.repeat(20),
    'مرحبا بالعالم، هذا نص طويل من اليمين إلى اليسار',
    '- عنصر أول\n- عنصر ثان',
    '👩‍👩‍👧‍👦🏳️‍🌈🇨🇳'.repeat(30),
    `| ${'wide column header | '.repeat(8)}\n|${'---|'.repeat(8)}\n| ${'some words here | '.repeat(8)}`,
    `\`\`\`\n${'long code line '.repeat(40)}\n\`\`\``,
    `https://example.com/${'path/'.repeat(80)}`,
    `$$${'x^2 + '.repeat(60)}1$$`,
    `\`${'inline'.repeat(60)}\``,
  ].join('\n\n');
  shared.upstream.when(says('odd'), answer(odd));
  const { page } = await shared.open({ phone: true });
  await say(page, `odd ${'w'.repeat(300)}`);
  await answers(page).waitFor();
  await page.locator('.answer .katex').first().waitFor();
  const widths: unknown = await page.evaluate(
    `[document.scrollingElement, document.querySelector('.transcript')].map((e) => e.scrollWidth - e.clientWidth)`,
  );
  expect(widths).toEqual([0, 0]);
  const directions: unknown = await page.evaluate(
    `[...document.querySelectorAll('.answer p')].map((p) => getComputedStyle(p).direction).filter((d) => d === 'rtl').length`,
  );
  expect(directions).toBe(1);
  // The signs of a list stand before its words, inside the page.
  expect(
    await page.evaluate("getComputedStyle(document.querySelector('.answer ul')).direction"),
  ).toBe('rtl');
});

describe('language and appearance', () => {
  test('follow the browser, and what the user chose stays', async () => {
    const { page } = await shared.open({ locale: 'zh-CN', dark: true });
    await page.getByText('Mika 能帮您做什么？').waitFor();
    expect(await page.evaluate('document.documentElement.lang')).toBe('zh-CN');
    const dark = await page.evaluate('getComputedStyle(document.body).backgroundColor');
    await page.getByRole('combobox', { name: '语言' }).selectOption('en');
    await page.getByText('What can Mika do for you?').waitFor();
    await page.getByRole('combobox', { name: 'Appearance' }).selectOption('light');
    await page.reload();
    await page.getByText('What can Mika do for you?').waitFor();
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).not.toBe(dark);
  });
});

describe('speed', () => {
  test('the last conversation is on the page before the portal has answered', async () => {
    const { page } = await shared.open();
    await say(page, 'remember this');
    await answers(page).getByText('You said: remember this').waitFor();
    await page.route('**/api/**', () => new Promise(() => {}));
    await page.reload();
    await answers(page).getByText('You said: remember this').waitFor();
    expect(await page.locator('.dot').getAttribute('data-state')).toBe('connecting');
  });

  test('the second half of a long table leaves the first as it stands', async () => {
    const half = gate();
    const rows = (from: number) =>
      Array.from({ length: 150 }, (_, at) => [
        pause(2),
        text(`| r${from + at} | some `),
        text('words |\n'),
      ]).flat();
    shared.upstream.when(
      says('long table'),
      events(
        role(),
        text('| a | b |\n|---|---|\n'),
        ...rows(0),
        half.promise,
        ...rows(150),
        finish('stop'),
        DONE,
      ),
    );
    const { page } = await shared.open();
    await connected(page);
    await say(page, 'long table');
    await page.locator('.live td').getByText('r149').waitFor();
    // Counted by no clock: nodes that are taken out, or written anew in rows that stand already.
    await page.evaluate(`(() => {
      const table = document.querySelector('.live table');
      table.querySelectorAll('tr').forEach((row) => { row.kept = true; });
      window.touched = 0;
      new MutationObserver((records) => {
        for (const { type, removedNodes, target } of records) {
          touched += removedNodes.length;
          if (type === 'characterData' && target.parentElement.closest('tr').kept) touched += 1;
        }
      }).observe(table, { subtree: true, childList: true, characterData: true });
    })()`);
    half.open();
    await answers(page).locator('td').getByText('r299').waitFor();
    const kept = "[...document.querySelectorAll('.answer tr')].filter((row) => row.kept).length";
    expect(await page.evaluate(kept)).toBe(151);
    // The last row may have been half written.
    expect(Number(await page.evaluate('touched'))).toBeLessThan(10);
  });

  test('a paste of 200 kB is taken, sent and shown', async () => {
    const { page } = await shared.open();
    await connected(page);
    shared.upstream.when(says('lorem ipsum lorem'), answer('Read.'));
    const words = 'lorem ipsum '.repeat(17_000);
    await page.locator('.composer textarea').fill(words);
    await page.locator('.composer textarea').press('Enter');
    await answers(page).waitFor();
    expect((await page.locator('.bubble').innerText()).length).toBeGreaterThan(199_000);
  });
});
