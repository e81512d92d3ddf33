/**
 * `npm run bench:page`: what the chat page costs its browser. Prints tables and ends by itself, after
 * two minutes; docs/performance.md says what each figure means.
 */

import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { build } from 'vite';
import { temporaryFolder } from './gateway-process.ts';
import { launch, type Started, type Streamed, start, stream } from './page/measure.ts';
import { servePage } from './page/server.ts';
import { KINDS } from './page/texts.ts';
import { script } from './processes.ts';
import { type Row, toMarkdown } from './table.ts';

const STARTS = 7;

const { values: flags } = parseArgs({ options: { only: { type: 'string' } } });
const kinds = KINDS.filter((kind) => flags.only === undefined || flags.only.includes(kind));

const folder = temporaryFolder('page-');
await build({
  configFile: script('..', 'portal', 'page', 'vite.config.ts'),
  logLevel: 'warn',
  build: { outDir: folder, emptyOutDir: true },
});
const server = await servePage(folder);
const browser = await launch();
console.log(
  `Chromium ${browser.version()}; load average before the run ${loadavg()[0]?.toFixed(1)}\n`,
);
try {
  const starts: Started[] = [];
  for (let round = 0; round < STARTS; round += 1) starts.push(await start(browser, server.url));
  console.log(`${toMarkdown(startTable(starts))}\n`);
  const streamed: Record<string, Streamed> = {};
  for (const kind of kinds) streamed[kind] = await stream(browser, server.url, kind);
  console.log(toMarkdown(streamTable(streamed)));
} finally {
  await browser.close();
  await server.close();
}

function startTable(starts: readonly Started[]) {
  const row = (metric: string, of: (start: Started) => number): Row => ({
    metric,
    unit: 'ms',
    values: { page: starts.map(of) },
  });
  return {
    title: 'a cold start, processor slowed down to a quarter',
    columns: ['page'],
    rows: [
      row('first contentful paint', (each) => each.firstPaint),
      row('composer there, thread idle', (each) => each.interactive),
    ],
  };
}

function streamTable(streamed: Readonly<Record<string, Streamed>>) {
  const row = (metric: string, unit: string, of: (each: Streamed) => number): Row => ({
    metric,
    unit,
    values: Object.fromEntries(Object.entries(streamed).map(([kind, each]) => [kind, [of(each)]])),
  });
  return {
    title: '2,000 tokens at 100 a second, in one block of',
    columns: Object.keys(streamed),
    rows: [
      row('longest time between two frames', 'ms', (each) => each.longestFrame),
      row('the same, 99 of 100 are below', 'ms', (each) => each.p99Frame),
      row('frames over 50 ms', '', (each) => each.slowFrames),
      row('processor for a token, first quarter', 'µs', (each) => each.first.all),
      row('processor for a token, last quarter', 'µs', (each) => each.last.all),
      row('script for a token, first quarter', 'µs', (each) => each.first.script),
      row('script for a token, last quarter', 'µs', (each) => each.last.script),
    ],
  };
}
