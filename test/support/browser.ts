/** Pages of the chain for the tests of one file: a fresh profile for each page, everything that it complains of remembered. */

import type { Browser, BrowserContext, Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { type ChainUnderTest, ONE, PASSWORDS } from './chain.ts';
import { createInbox, type Inbox } from './inbox.ts';

/** Less than a test has, so that a failure names what was waited for. */
const PATIENCE_MS = 12_000;

export interface OpenOptions {
  /** Signed in already, as if by an earlier visit. */
  user?: string;
  instance?: string | undefined;
  locale?: string;
  dark?: boolean;
  phone?: boolean;
}

export interface OpenedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Exceptions and whatever the console calls an error, a stopped request of the policy among them. */
  readonly complaints: string[];
  /** Text frames that came over WebSockets. */
  readonly frames: Inbox<string>;
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
  context.setDefaultTimeout(PATIENCE_MS);
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') await tellWhatIsShown(context);
    await context.close();
  });
  await listen(context);
  if (user !== undefined) await remember(context, await signIn(chain, user));
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  const frames = createInbox<string>();
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

/** A failure names what was waited for; what was there instead is half of the answer. */
async function tellWhatIsShown(context: BrowserContext): Promise<void> {
  for (const page of context.pages()) {
    const text = await page.locator('body').innerText();
    process.stderr.write(`--- ${page.url()}\n${text}\n`);
  }
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
export const answers = (page: Page) => page.locator('article.answer');
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

/** What the line below the composer said, and when the page was in which state. */
export interface Said {
  /** `retrying` goes on by itself, `stopped` does not. */
  readonly state: string;
  readonly words: string;
}

const SAID = new WeakMap<Page, Inbox<Said>>();

/** Every state so far, however briefly it was shown. */
export function saidBy(page: Page): Inbox<Said> {
  const known = SAID.get(page) ?? createInbox<Said>();
  SAID.set(page, known);
  return known;
}

/** Resolves when the line below the composer says this, or has said it: with the page's state then. */
export async function told(page: Page, words: string): Promise<string> {
  const late = new Error(`the page never said "${words}"`);
  const timer = Promise.withResolvers<Said>();
  const timeout = setTimeout(() => timer.reject(late), PATIENCE_MS);
  const found = saidBy(page).find((each) => each.words.includes(words));
  const { state } = await Promise.race([found, timer.promise]);
  clearTimeout(timeout);
  return state;
}

/** The page tells by itself: looking now and then would miss what is shown for a moment. */
async function listen(context: BrowserContext): Promise<void> {
  await context.exposeBinding('testSaid', ({ page }, state: string, words: string) =>
    saidBy(page).push({ state, words }),
  );
  await context.addInitScript(`{
    let last = '';
    const look = () => {
      const line = document.querySelector('.status');
      const now = line ? line.dataset.state + line.textContent : '';
      if (now === last) return;
      last = now;
      if (line) testSaid(line.dataset.state, line.textContent);
    };
    new MutationObserver(look).observe(document, {
      subtree: true, childList: true, characterData: true, attributes: true,
    });
  }`);
}

/** Holds one answer of session/create back until `meanwhile` is over; what that resolves with is the answer. */
export function interceptCreate(
  page: Page,
  meanwhile: (answer: Record<string, unknown>) => Promise<Record<string, unknown>>,
): Promise<unknown> {
  return page.route(
    '**/webchat/session/create',
    async (route) => {
      const response = await route.fetch();
      const answer = await meanwhile((await response.json()) as Record<string, unknown>);
      await route.fulfill({ response, json: answer });
    },
    { times: 1 },
  );
}
