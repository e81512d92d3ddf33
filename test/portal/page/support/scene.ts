/** What the tests of one file share: a gateway with a scripted model, the stub portal, a browser. */

import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { launchBrowser } from '../../../support/chromium.ts';
import { testConfig } from '../../../support/config.ts';
import { type SharedGateway, shareGateway } from '../../../support/gateway.ts';
import { builtPage } from '../../../support/page-build.ts';
import { startOpenAiUpstream, type Upstream } from '../../../support/upstream/openai.ts';
import { type OpenOptions, type OpenPage, openPage } from './browser.ts';
import { INSTANCE, type StubPortal, startStubPortal } from './stub-portal.ts';

export interface Scene {
  browser: Browser;
  gateway: SharedGateway;
  upstream: Upstream;
  portal: StubPortal;
  /** The chat page of a fresh user, unless told otherwise. */
  open(options?: OpenOptions): Promise<OpenPage>;
}

export interface SceneOptions {
  readonly gateway?: Record<string, unknown>;
  readonly defaults?: Record<string, unknown>;
}

let users = 0;

/** Starts everything before the file's first test. Read its parts inside tests only. */
export function scene(options: SceneOptions = {}): Scene {
  const parts: Partial<Scene> = {};
  beforeAll(async () => {
    const built = builtPage();
    parts.upstream = await startOpenAiUpstream();
    parts.gateway = await shareGateway({
      config: testConfig({ upstream: `${parts.upstream.url}/v1`, ...options }),
    });
    parts.portal = await startStubPortal(parts.gateway.port, await built);
    parts.browser = await launchBrowser();
  }, 60_000);
  afterAll(async () => {
    await parts.browser?.close();
    await parts.portal?.close();
    await parts.gateway?.stop();
    await parts.upstream?.close();
  });
  const part = <K extends 'browser' | 'gateway' | 'upstream' | 'portal'>(name: K) => {
    const found = parts[name];
    if (found === undefined) throw new Error(`${name} is not started yet`);
    return found;
  };
  return {
    get browser() {
      return part('browser');
    },
    get gateway() {
      return part('gateway');
    },
    get upstream() {
      return part('upstream');
    },
    get portal() {
      return part('portal');
    },
    open(given = {}) {
      users += 1;
      return openPage(part('browser'), part('portal').url, {
        user: `user${users}`,
        address: `?instance_id=${INSTANCE}`,
        ...given,
      });
    },
  };
}

export function composer(page: Page): Locator {
  return page.getByRole('textbox', { name: 'Message', exact: true });
}

export async function say(page: Page, words: string): Promise<void> {
  await composer(page).fill(words);
  await composer(page).press('Enter');
}

/** Answers that are complete, in order. */
export function answers(page: Page): Locator {
  return page.locator('.answer:not(.live)');
}

/** Waits until the page is connected. */
export async function connected(page: Page): Promise<void> {
  await page.locator('.dot[data-state="connected"]').waitFor();
}

/** What user and model said, in order. */
export function bubbles(page: Page): Promise<string[]> {
  return page.locator('.bubble').allInnerTexts();
}
