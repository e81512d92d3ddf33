/** What the tests of one file share where a browser meets the whole chain. */

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { type ChainOptions, type ChainUnderTest, startChain } from './chain.ts';
import { launchBrowser } from './chromium.ts';

export interface ChainScene {
  readonly chain: ChainUnderTest;
  readonly browser: Browser;
}

/** Starts both before the file's first test and ends them after its last. Read them inside tests only. */
export function chainScene(options?: ChainOptions): ChainScene {
  let parts: ChainScene | undefined;
  const started = () => {
    if (!parts) throw new Error('nothing is started yet');
    return parts;
  };
  beforeAll(async () => {
    const [chain, browser] = await Promise.all([startChain(options), launchBrowser()]);
    parts = { chain, browser };
  });
  afterAll(async () => {
    await parts?.browser.close();
    await parts?.chain.stop();
  });
  return {
    get chain() {
      return started().chain;
    },
    get browser() {
      return started().browser;
    },
  };
}
