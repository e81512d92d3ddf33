/** What the tables still hold afterwards: nothing that no call can reach any more. */

import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Db, openDatabase } from '../../../agents/sessions/database.ts';
import { createSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import type { SessionStore } from '../../../agents/sessions/store.ts';
import { alice, answer, KEY, turn } from './samples.ts';

let db: Db;
let store: SessionStore;

beforeEach(async () => {
  db = openDatabase(':memory:');
  store = createSessionStore(db);
  const attachments = [{ mimeType: 'image/png', bytes: new Uint8Array([1]) }];
  await store.acceptTurn(alice, KEY, turn('r', { start: true, attachments }));
  await store.checkpoint(alice, KEY, 'r', 'piece');
});

afterEach(() => store.close());

const rows = (table: string) => db.prepare(`SELECT count(*) FROM ${table}`).pluck().get();

it('drops checkpoints when their answer is stored', async () => {
  expect(rows('answer_chunks')).toBe(1);
  await store.finishRun(alice, KEY, 'r', answer('whole'));
  expect(rows('answer_chunks')).toBe(0);
});

it('drops checkpoints when recovery has stored their text', async () => {
  await store.recover(1);
  expect(rows('answer_chunks')).toBe(0);
});

it.each(['sessions', 'branches', 'messages', 'answer_chunks', 'attachments', 'runs'])(
  'leaves no row in %s when a session is deleted',
  async (table) => {
    expect(rows(table)).toBeGreaterThan(0);
    await store.delete(alice, KEY);
    expect(rows(table)).toBe(0);
  },
);
