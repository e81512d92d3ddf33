/** Debian's Chromium, as tests start it. */

import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** The same engine without a browser's windows, menus and services: half of the processor time. */
const HEADLESS = '/usr/bin/chromium-headless-shell';
const WHOLE = '/usr/bin/chromium';

/** `more`: further arguments of the program. */
export function launchBrowser(...more: readonly string[]): Promise<Browser> {
  return chromium.launch({
    executablePath: existsSync(HEADLESS) ? HEADLESS : WHOLE,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--host-resolver-rules=MAP *.localhost 127.0.0.1',
      ...more,
    ],
  });
}
