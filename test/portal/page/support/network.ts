/** The network between the page and the stub portal, as a test would have it. */

import type { Page } from 'playwright-core';
import { afterEach } from 'vitest';
import { connected, type Scene } from './scene.ts';

/** After each test of the file the portal is right again, whatever the test did to it. */
export function network(shared: Scene) {
  function mend(): void {
    Object.assign(shared.portal, {
      upgrades: { kind: 'forward' },
      create: undefined,
      oldestToken: 0,
      gatewayPort: shared.gateway.port,
    });
  }

  afterEach(mend);

  return {
    mend,

    async cutOff(page: Page): Promise<void> {
      shared.portal.create = { status: 503, code: 'unavailable' };
      shared.portal.cut();
      await page.locator('.dot[data-state="retrying"]').waitFor();
    },

    async reconnect(page: Page): Promise<void> {
      mend();
      // As the browser does when the network is back: nobody waits for the next attempt.
      await page.evaluate("dispatchEvent(new Event('online'))");
      await connected(page);
    },
  };
}
