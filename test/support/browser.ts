/** Chromium for the tests of one file: a fresh profile for each page, everything that it complains of remembered. */

import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { type ChainUnderTest, ONE, PASSWORDS } from './chain.ts';

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--host-resolver-rules=MAP *.localhost 127.0.0.1',
    ],
  });
}

export interface OpenOptions {
  /** Signed in already, as if by an earlier visit. */
  user?: string;
  instance?: string | undefined;
  locale?: string;
  dark?: boolean;
  phone?: boolean;
  /** Before the page is opened. */
  prepare?: (context: BrowserContext) => Promise<unknown>;
}

export interface OpenedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Exceptions and whatever the console calls an error, a stopped request of the policy among them. */
  readonly complaints: string[];
  /** Text frames that came over WebSockets. */
  readonly frames: string[];
  /** WebSockets opened so far. */
  sockets(): number;
  /** Answers of session/create so far: their statuses. */
  readonly created: number[];
}

/** Ends with the test. */
export async function openPage(
  browser: Browser,
  chain: ChainUnderTest,
  options: OpenOptions = {},
): Promise<OpenedPage> {
  const { phone = false, user } = options;
  const context = await browser.newContext({
    locale: options.locale ?? 'en-US',
    colorScheme: options.dark ? 'dark' : 'light',
    viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 800 },
    ...(phone && { isMobile: true, hasTouch: true, deviceScaleFactor: 2 }),
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  // Less than a test has, so that a failure names what was waited for.
  context.setDefaultTimeout(6_000);
  onTestFinished(() => context.close());
  if (user !== undefined) await remember(context, await signIn(chain, user));
  await options.prepare?.(context);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  const frames: string[] = [];
  let sockets = 0;
  page.on('websocket', (socket) => {
    sockets += 1;
    socket.on('framereceived', ({ payload }) => frames.push(String(payload)));
  });
  const created: number[] = [];
  page.on('response', (response) => {
    if (response.url().endsWith('/webchat/session/create')) created.push(response.status());
  });
  await page.goto(pageUrl(chain, 'instance' in options ? options.instance : ONE));
  return { page, context, complaints, frames, sockets: () => sockets, created };
}

export function pageUrl(chain: ChainUnderTest, instance: string | undefined): string {
  return `${chain.origin}/portal/chat/${instance === undefined ? '' : `?instance_id=${instance}`}`;
}

export interface Login {
  access_token: string;
  refresh_token: string;
  user: { id: string; name: string };
}

/** Over the API, as any client may. */
export async function signIn(chain: ChainUnderTest, user: string): Promise<Login> {
  const response = await fetch(`http://127.0.0.1:${chain.portalPort}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: user, password: PASSWORDS[user] }),
  });
  if (!response.ok) throw new Error(`login answered ${response.status} ${await response.text()}`);
  return (await response.json()) as Login;
}

/** Once per profile: what the page writes later stays. */
function remember(context: BrowserContext, login: Login): Promise<unknown> {
  const storage = {
    sc_portal_token: login.access_token,
    sc_portal_refresh: login.refresh_token,
    sc_portal_user: `${login.user.id}\n${login.user.name}`,
  };
  return context.addInitScript(
    `if (!sessionStorage.remembered) {
       sessionStorage.remembered = '1';
       for (const [k, v] of Object.entries(${JSON.stringify(storage)})) localStorage.setItem(k, v);
     }`,
  );
}

/* ---- what a user sees and does ---- */

export const composer = (page: Page) => page.getByRole('textbox', { name: 'Message', exact: true });
export const status = (page: Page) => page.locator('.status');
export const answers = (page: Page) => page.getByRole('article', { name: 'Assistant' });
export const finished = (page: Page) => page.locator('article.answer:not(.live)');

/** Resolves when the page says that it is connected. */
export async function connected(page: Page): Promise<void> {
  await page.locator('.dot[data-state=connected]').waitFor();
}

export async function ask(page: Page, words: string): Promise<void> {
  await composer(page).fill(words);
  await page.keyboard.press('Enter');
}

/** The conversation as it reads: who said what. */
export function transcript(page: Page): Promise<string[]> {
  return page
    .locator('article.user .bubble, article.answer .prose')
    .evaluateAll((all) => all.map((each) => String(each.textContent).trim()));
}
