/** How much one commit of a long work copies or removes, in however few messages that stands. */

import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Db, openDatabase } from '../../../agents/sessions/database.ts';
import { createSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import type { SessionStore } from '../../../agents/sessions/store.ts';
import { alice, answer, bob, exchange, KEY, temporaryFile, turn } from './samples.ts';

const MEBIBYTE = 1024 * 1024;
const TEXT = 'x'.repeat(400_000);
const LARGE = 'x'.repeat(2 * MEBIBYTE);

interface Held {
  rows: number;
  bytes: number;
}

let db: Db;
let store: SessionStore;
let most: number;
/** What the tables held after each commit. */
let after: Held[];

beforeEach(() => {
  most = 0;
  after = [];
  db = openDatabase(temporaryFile());
  const held = db.prepare<[], Held>(
    `SELECT count(*) AS rows, coalesce(sum(octet_length(content)), 0) +
       (SELECT coalesce(sum(octet_length(bytes)), 0) FROM attachments) AS bytes FROM messages`,
  );
  // The disk is asked for once after each commit, as it is done with it at once.
  const begin = (done: (error: null) => void) => {
    after.push(...held.all());
    done(null);
  };
  const logSync = { begin, atOnce() {}, close() {} };
  store = createSessionStore(db, { logSync, maxBytesPerUser: () => most });
});

afterEach(() => store.close());

const now = () => after.at(-1) ?? { rows: 0, bytes: 0 };

/** How many rows and bytes came or went with each commit while this was done. */
async function changes(work: () => Promise<unknown>): Promise<Held[]> {
  after = [now()];
  await work();
  return after.slice(1).map(({ rows, bytes }, n) => ({
    rows: Math.abs(rows - (after[n]?.rows ?? 0)),
    bytes: Math.abs(bytes - (after[n]?.bytes ?? 0)),
  }));
}

const large = (all: readonly Held[]) => all.filter(({ bytes }) => bytes > MEBIBYTE);

/** Some megabytes of texts, one of them large, and of pictures. */
async function converse(): Promise<void> {
  const attachments = [{ mimeType: 'image/png', bytes: new Uint8Array(700_000) }];
  for (let n = 0; n < 4; n += 1) {
    const asked = turn(`r${n}`, { text: TEXT, attachments });
    await exchange(store, alice, KEY, asked, answer(n === 2 ? LARGE : TEXT));
  }
}

function fork() {
  const leaf = store.describe(alice, KEY)?.leafId ?? '';
  return store.fork(alice, KEY, leaf, { key: 'fork', agentId: 'main', timestamp: 5_000 });
}

const contentOf = (key: string) =>
  store.history(alice, key, { limit: 100, offset: 0 })?.messages.map(({ content }) => content);

const aloneLarge = [{ rows: 1, bytes: Buffer.byteLength(JSON.stringify(answer(LARGE).content)) }];

it('copies a mebibyte at a time, and alone what is larger', async () => {
  await converse();
  const steps = await changes(fork);
  expect(large(steps)).toEqual(aloneLarge);
  expect(contentOf('fork')).toEqual(contentOf(KEY));
  expect(store.attachment(alice, 'fork', 7, 0)?.bytes).toHaveLength(700_000);
});

it('removes a mebibyte at a time, and alone what is larger', async () => {
  await converse();
  const steps = await changes(async () => {
    await store.delete(alice, KEY);
    await expect.poll(now).toEqual({ rows: 0, bytes: 0 });
  });
  expect(large(steps)).toEqual(aloneLarge);
});

it('removes as much of a user at a time, in however many sessions that is', async () => {
  for (let n = 0; n < 6; n += 1) {
    await exchange(store, alice, `large ${n}`, turn('r', { text: TEXT }), answer(TEXT));
  }
  for (let n = 0; n < 6; n += 1) {
    const notes = Array.from({ length: 80 }, () => ({ text: 'note', timestamp: 1 }));
    await exchange(store, alice, `long ${n}`, turn('r'), answer('well'));
    await Promise.all(notes.map((note) => store.inject(alice, `long ${n}`, note)));
  }
  await exchange(store, bob, KEY, turn('r'), answer('well'));
  const steps = await changes(() => store.deleteUser('alice'));
  expect(now().rows).toBe(2);
  expect(large(steps)).toEqual([]);
  expect(Math.max(...steps.map(({ rows }) => rows))).toBeLessThanOrEqual(100);
});

it('copies hardly more than its user has room for', async () => {
  await converse();
  // There is more in the session than on the path, so nothing is known of what the copy will hold.
  const last = store.history(alice, KEY, { limit: 2, offset: 0 })?.messages[0]?.id ?? '';
  await store.rewind(alice, KEY, last);
  const { bytes: before } = now();
  most = before + 1.5 * MEBIBYTE;
  await changes(async () => {
    expect(await fork()).toEqual({ outcome: 'refused', reason: 'storage_full' });
    await expect.poll(() => now().bytes).toBe(before);
  });
  const highest = Math.max(...after.map(({ bytes }) => bytes));
  expect(highest).toBeGreaterThan(before);
  expect(highest).toBeLessThanOrEqual(most + MEBIBYTE);
});
