/** The page for the tests of one file: a fresh profile per test, every error of the page remembered. */

import type { Browser, BrowserContext, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';

export interface OpenOptions {
  readonly user?: string;
  readonly signedIn?: boolean;
  readonly locale?: string;
  readonly dark?: boolean;
  readonly phone?: boolean;
  readonly address?: string;
}

export interface OpenPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Exceptions, and everything that the content security policy stopped. */
  readonly errors: string[];
}

export async function openPage(
  browser: Browser,
  url: string,
  options: OpenOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext({
    locale: options.locale ?? 'en-US',
    colorScheme: options.dark ? 'dark' : 'light',
    viewport: options.phone ? { width: 390, height: 844 } : { width: 1280, height: 800 },
    ...(options.phone && { isMobile: true, hasTouch: true, deviceScaleFactor: 2 }),
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  // Less than a test has, so that a failure names what was waited for.
  context.setDefaultTimeout(15_000);
  const user = options.user ?? 'tina';
  if (options.signedIn !== false) {
    const storage = {
      sc_portal_token: `access-1-${user}`,
      sc_portal_refresh: `refresh-${user}`,
      sc_portal_user: `${user}\n${user}`,
    };
    // Once per profile: what a page writes later stays.
    await context.addInitScript(
      `if (!localStorage.length) for (const [k, v] of Object.entries(${JSON.stringify(storage)})) localStorage.setItem(k, v)`,
    );
  }
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/.test(message.text())) errors.push(message.text());
  });
  onTestFinished(async () => {
    await context.close();
    expect(errors).toEqual([]);
  });
  await page.goto(url + (options.address ?? ''));
  return { page, context, errors };
}
