/**
 * A call that is over is garbage at once. What keeps it until the old objects are collected makes each collection of
 * the young ones several times as long, in which nobody's answer goes on.
 */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test } from 'vitest';
import * as anthropic from '../../providers/anthropic-messages.ts';
import * as google from '../../providers/google-generative-ai.ts';
import * as ollama from '../../providers/ollama.ts';
import * as completions from '../../providers/openai-completions.ts';
import * as responses from '../../providers/openai-responses.ts';
import { collect, endpoint, request, user } from './calls.ts';

const WARM_UP = 40;
const CALLS = 40;
const QUESTION_CHARS = 50_000;

setFlagsFromString('--expose-gc');
const collectGarbage: (how?: { type: 'minor' }) => void = runInNewContext('gc');

function oldBytes(): number {
  const old = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space');
  return old?.space_used_size ?? Number.NaN;
}

/** `hold` settles when the answer may end; its head is sent before. */
async function upstream(hold?: Promise<void>): Promise<string> {
  const server = createServer((asked, response) => {
    asked.resume();
    asked.on('end', () => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('\n');
      if (hold) void hold.then(() => response.end());
      else setImmediate(() => response.end());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const ADAPTERS = Object.entries({ anthropic, completions, google, ollama, responses });

test.each(ADAPTERS)('%s: a call that is over', async (_, { createAdapter }) => {
  const adapter = createAdapter(endpoint(await upstream()));
  const call = async (n: number) => {
    const text = `${n} `.padEnd(QUESTION_CHARS, 'x');
    await collect(adapter(request({ messages: [user(text)] })));
    await nextTurn();
  };
  for (let n = 0; n < WARM_UP; n++) await call(n);
  for (let n = 0; n < 3; n++) collectGarbage({ type: 'minor' });
  const before = oldBytes();
  for (let n = 0; n < CALLS; n++) {
    await call(n);
    // What lives through two is old.
    collectGarbage({ type: 'minor' });
    collectGarbage({ type: 'minor' });
  }
  expect((oldBytes() - before) / CALLS).toBeLessThan(QUESTION_CHARS / 4);
});

const LARGE_CHARS = 16_000_000;

test.each(ADAPTERS)('%s: what was asked, while the answer comes', async (_, { createAdapter }) => {
  const hold = Promise.withResolvers<void>();
  const adapter = createAdapter(endpoint(await upstream(hold.promise)));
  const keptBytes = (before: number) => {
    collectGarbage();
    // Node keeps the characters of large strings that it makes from bytes outside of the heap.
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external - before;
  };
  const before = keptBytes(0);
  // Not by `repeat`, which makes a tree of small strings.
  const large = () => Buffer.alloc(LARGE_CHARS, 'x').toString('latin1');
  const ask = () => collect(adapter(request({ messages: [user(large())] })));
  const answered = ask();
  try {
    expect(keptBytes(before)).toBeGreaterThan(LARGE_CHARS / 2);
    await expect.poll(() => keptBytes(before)).toBeLessThan(LARGE_CHARS / 2);
  } finally {
    hold.resolve();
  }
  await answered;
});
