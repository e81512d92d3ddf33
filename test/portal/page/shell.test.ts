/** What is on the screen before the page's script has run: the shell, and how the page takes its place. */

import type { Page } from 'playwright-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { launchBrowser } from '../../support/chromium.ts';
import { gate } from '../../support/upstream/openai.ts';
import { answers, connected, say, scene } from './support/scene.ts';
import { INSTANCE } from './support/stub-portal.ts';

const shared = scene();

const CHAT = `?instance_id=${INSTANCE}&name=Mika`;

/** Loads the page anew; what it draws with comes when `release` is called. */
async function heldBack(page: Page, address = CHAT): Promise<{ release: () => void }> {
  const held = gate();
  await page.route('**/assets/main-*.js', async (route) => {
    await held.promise;
    await route.continue();
  });
  await page.goto(shared.portal.url + address, { waitUntil: 'commit' });
  return { release: held.open };
}

async function painted(page: Page): Promise<void> {
  const entries = "performance.getEntriesByName('first-contentful-paint').length";
  await expect.poll(() => page.evaluate(entries)).toBe(1);
}

/** Where things stand, what they look like without the focus, which the shell cannot have. Of icons also what they show. */
function look(page: Page): Promise<unknown> {
  return page.evaluate(`(() => {
    document.activeElement?.blur();
    const parts = [
      '.rail', '.rail-head svg', '.rail > .rail-button svg', '.rail-list', '.rail-foot', '.switches', '.who',
      '.head', '.head svg', '.composer', '.composer-row', '.composer-row svg', '.round', '.round svg', '.status',
    ];
    return Object.fromEntries(parts.map((part) => {
      const found = document.querySelector(part);
      const { x, y, width, height } = found.getBoundingClientRect();
      const { backgroundColor, color, borderColor, visibility } = getComputedStyle(found);
      const icon = found.querySelector(':scope > path')?.getAttribute('d');
      const box = [x, y, width, height].map((each) => Math.round(each * 10) / 10).join(' ');
      return [part, { box, backgroundColor, visibility, color: icon && color, icon, borderColor: part === '.composer' && borderColor }];
    }));
  })()`);
}

function ground(page: Page): Promise<unknown> {
  return page.evaluate('getComputedStyle(document.body).backgroundColor');
}

const isShown = (page: Page) => page.locator('.shell').isVisible();

describe('before the script has run', () => {
  test.each([
    { title: 'light and wide', options: {} },
    { title: 'dark, on a phone', options: { dark: true, phone: true, locale: 'zh-CN' } },
    { title: 'a few lines high', options: {}, size: { width: 640, height: 400 } },
    { title: 'from right to left', options: {}, direction: 'rtl' },
    { title: 'a conversation was open before', options: {}, kept: true },
    { title: 'the same on a phone', options: { phone: true }, kept: true },
  ])(
    'the shell is painted, and the page comes in its place: $title',
    async ({ options, size, direction = 'ltr', kept = false }) => {
      const { page } = await shared.open(options);
      await connected(page);
      if (kept) {
        await say(page, 'keep this');
        await answers(page).waitFor();
      }
      if (size) await page.setViewportSize(size);
      // Colours are compared as they end up, not while they fade.
      await page.emulateMedia({ reducedMotion: 'reduce' });
      const { release } = await heldBack(page);
      await painted(page);
      await page.evaluate(`document.documentElement.dir = '${direction}'`);
      expect(await isShown(page)).toBe(true);
      expect(await page.locator('textarea').count()).toBe(0);
      expect(await page.locator('body').innerText()).toBe('');
      expect(await page.locator('body').ariaSnapshot()).toBe('');
      const before = await look(page);
      await page.evaluate(`window.shifts = [];
        new PerformanceObserver((list) => {
          for (const { value, sources } of list.getEntries()) {
            shifts.push(value, ...sources.map(({ node }) => node?.className ?? node?.nodeName));
          }
        }).observe({ type: 'layout-shift' })`);
      release();
      await page.locator('.composer textarea').waitFor();
      await expect.poll(() => look(page)).toEqual(before);
      expect(await page.locator('.shell').count()).toBe(0);
      expect(await page.locator('nav').count()).toBe(1);
      expect(await page.locator('main').count()).toBe(1);
      await connected(page);
      if (!kept) await page.locator('.greeting h2').waitFor();
      await page.evaluate('new Promise((seen) => requestAnimationFrame(() => setTimeout(seen)))');
      expect(await page.evaluate('shifts')).toEqual([]);
    },
  );

  test('the colours are those that the user chose', async () => {
    const { page } = await shared.open();
    const light = await ground(page);
    await page.getByRole('combobox', { name: 'Appearance' }).selectOption('dark');
    await expect.poll(() => ground(page)).not.toBe(light);
    const dark = await ground(page);
    await heldBack(page);
    await painted(page);
    expect(await ground(page)).toBe(dark);
  });

  test.each([
    { title: 'nobody is signed in', options: { signedIn: false }, address: CHAT },
    { title: 'the address names no instance', options: {}, address: '' },
    { title: 'a ticket may sign in somebody else', options: {}, address: `${CHAT}#ticket=good` },
  ])('nothing is promised where $title', async ({ options, address }) => {
    const { page } = await shared.open({ ...options, address: '?elsewhere' });
    const { release } = await heldBack(page, address);
    await page.locator('.shell').waitFor({ state: 'attached' });
    expect(await isShown(page)).toBe(false);
    release();
    await page.getByRole('main').waitFor();
    expect(await page.locator('.shell').count()).toBe(0);
  });

  test('a page that is opened in the background begins all the same', async () => {
    const { page, context } = await shared.open();
    await context.addInitScript(`
      Object.defineProperty(Document.prototype, 'hidden', { get: () => true });
      window.requestAnimationFrame = () => 0;
    `);
    await page.reload();
    await expect.poll(() => page.locator('.composer textarea').count()).toBe(1);
  });
});

test('without JavaScript nothing is promised, and the page says why', async () => {
  // A context's own switch stops scripts, but its parser still believes that there are some.
  const browser = await launchBrowser('--blink-settings=scriptEnabled=false');
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  await page.goto(shared.portal.url + CHAT);
  expect(await page.locator('.shell').count()).toBe(1);
  expect(await isShown(page)).toBe(false);
  expect(await page.locator('.no-script').boundingBox()).toMatchObject({ x: 0, y: 0 });
  expect(await page.locator('body').innerText()).toContain('This page needs JavaScript.');
});
