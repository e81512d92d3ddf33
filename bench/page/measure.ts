/** What the page costs its browser: while an answer streams, and until it can be used. */

import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { type Browser, chromium } from 'playwright-core';
import { TOKEN_MS, TOKENS } from './texts.ts';

/** Debian's, whole or without a browser's windows: the engine is the same. */
const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-headless-shell'];

const QUARTER = TOKENS / 4;

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: PROGRAMS.find((path) => existsSync(path)) ?? 'chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  });
}

export interface Streamed {
  /** Milliseconds between two animation frames, the longest and the 99th of a hundred. */
  readonly longestFrame: number;
  readonly p99Frame: number;
  /** Frames that took longer than 50 ms. */
  readonly slowFrames: number;
  /** For each token, in the first quarter of the answer and in the last. */
  readonly first: Cost;
  readonly last: Cost;
}

/** Processor time of the page's thread, in microseconds: all of it, and the page's own code. */
interface Cost {
  readonly all: number;
  readonly script: number;
}

/** Begins once the page is connected; ends when the answer has. */
const WATCH = `(() => {
  const frames = [];
  let last = performance.now();
  let going = true;
  const look = (now) => {
    frames.push(now - last);
    last = now;
    if (going) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  window.watched = () => { going = false; return frames.slice(1); };
})()`;

export async function stream(browser: Browser, url: string, kind: string): Promise<Streamed> {
  const { page, close } = await open(browser, url);
  await page.locator('.dot[data-state="connected"]').waitFor();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent = async (): Promise<Cost> => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    const micros = (name: string) =>
      (metrics.find((each) => each.name === name)?.value ?? Number.NaN) * 1e6;
    return { all: micros('TaskDuration'), script: micros('ScriptDuration') };
  };
  await page.locator('.composer textarea').fill(kind);
  await page.keyboard.press('Enter');
  await page.evaluate(WATCH);
  const marks = [await spent()];
  // A quarter of the tokens takes a quarter of the time; the answer's end is no token.
  for (let quarter = 1; quarter <= 4; quarter += 1) {
    await pause(QUARTER * TOKEN_MS - (quarter === 4 ? 300 : 0));
    marks.push(await spent());
  }
  await page.locator('.answer:not(.live)').waitFor({ timeout: 30_000 });
  const frames = numbers(await page.evaluate('watched()'));
  await close();
  const sorted = frames.toSorted((a, b) => a - b);
  return {
    longestFrame: sorted.at(-1) ?? Number.NaN,
    p99Frame: sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN,
    slowFrames: frames.filter((each) => each > 50).length,
    first: perToken(marks[0], marks[1]),
    last: perToken(marks[3], marks[4]),
  };
}

function perToken(before: Cost | undefined, after: Cost | undefined): Cost {
  if (!before || !after) throw new Error('there are no samples');
  return {
    all: (after.all - before.all) / QUARTER,
    script: (after.script - before.script) / QUARTER,
  };
}

export interface Started {
  /** Milliseconds since the navigation began, the processor slowed down to a quarter. */
  readonly firstPaint: number;
  /** The composer is there and the page's thread is idle. */
  readonly interactive: number;
}

const WATCH_START = `(() => {
  const painted = new Promise((resolve) => {
    new PerformanceObserver((list) => {
      const [found] = list.getEntriesByName('first-contentful-paint');
      if (found) resolve(found.startTime);
    }).observe({ type: 'paint', buffered: true });
  });
  const usable = new Promise((resolve) => {
    new MutationObserver((_, observer) => {
      if (!document.querySelector('.composer textarea')) return;
      observer.disconnect();
      requestIdleCallback(() => resolve(performance.now()));
    }).observe(document, { subtree: true, childList: true });
  });
  window.started = Promise.all([painted, usable]);
})()`;

/** Each start has a profile of its own: nothing is cached. */
export async function start(browser: Browser, url: string): Promise<Started> {
  // A tab that is there already: what is measured is the page, not the start of a browser's process.
  const { page, close } = await open(browser, new URL('config.json', url).href, WATCH_START);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: 4 });
  await page.goto(url);
  // Not by Playwright's own evaluation: that first gives the page a large script to compile, on the thread that is timed.
  const { result } = await devtools.send('Runtime.evaluate', {
    expression: 'started',
    awaitPromise: true,
    returnByValue: true,
  });
  const [firstPaint = Number.NaN, interactive = Number.NaN] = numbers(result.value);
  await close();
  return { firstPaint, interactive };
}

function numbers(found: unknown): number[] {
  return Array.isArray(found) ? found.map(Number) : [];
}

async function open(browser: Browser, url: string, script = '') {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    storageState: {
      cookies: [],
      origins: [
        {
          origin: new URL(url).origin,
          localStorage: [
            { name: 'sc_portal_token', value: 'bench' },
            { name: 'sc_portal_user', value: 'bench\nBench' },
          ],
        },
      ],
    },
  });
  await context.addInitScript(script);
  const page = await context.newPage();
  await page.goto(url);
  return { page, close: () => context.close() };
}
