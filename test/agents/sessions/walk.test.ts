/** How much of a conversation is read for the few messages of it that somebody asks for. */

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import { alice, answer, KEY, temporaryFile, turn } from './samples.ts';

const TURNS = 20;
const CHARS = 400_000;

/** Bytes that this process has read by system calls, from whatever cache they came. */
const bytesRead = () => Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);

it('reads little more of a conversation of long answers than is asked for', async () => {
  const path = temporaryFile();
  const writing = openSessionStore({ path });
  let answerSeq = 0;
  for (let n = 0; n < TURNS; n += 1) {
    const accepted = await writing.acceptTurn(alice, KEY, turn(`r${n}`, { start: true }));
    if (accepted.outcome === 'accepted') ({ answerSeq } = accepted.run);
    await writing.finishRun(alice, KEY, `r${n}`, answer('x'.repeat(CHARS)));
  }
  await writing.close();

  const store = openSessionStore({ path });
  const before = bytesRead();
  const newest = store.ancestors(alice, KEY, answerSeq)[Symbol.iterator]();
  // The last question, the answer before it, and the question of that.
  const seqs = [1, 2, 3].map(() => newest.next().value?.seq);
  expect(seqs).toEqual([answerSeq - 1, answerSeq - 2, answerSeq - 3]);
  expect(bytesRead() - before).toBeLessThan(3 * CHARS);
  await store.close();
});

it('pages by bytes as well as by messages, and reads no more than the page', async () => {
  const path = temporaryFile();
  const writing = openSessionStore({ path });
  for (let n = 0; n < TURNS; n += 1) {
    await writing.acceptTurn(alice, KEY, turn(`r${n}`, { start: true }));
    await writing.finishRun(alice, KEY, `r${n}`, answer('x'.repeat(CHARS)));
  }
  await writing.close();

  const store = openSessionStore({ path });
  const before = bytesRead();
  const page = store.history(alice, KEY, { limit: 50, offset: 0, maxBytes: 2.5 * CHARS });
  expect(page?.messages.map(({ role }) => role)).toEqual([
    'user',
    'assistant',
    'user',
    'assistant',
  ]);
  expect(page?.bytes).toBeGreaterThan(2 * CHARS);
  expect(page?.nextOffset).toBe(4);
  expect(bytesRead() - before).toBeLessThan(4 * CHARS);
  // One that is larger than the bound is a page of its own.
  const single = store.history(alice, KEY, { limit: 50, offset: 4, maxBytes: 10 });
  expect(single).toMatchObject({ messages: [{ role: 'assistant' }], nextOffset: 5 });
  await store.close();
});
