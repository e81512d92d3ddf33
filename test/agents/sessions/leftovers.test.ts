/** What the tables still hold afterwards: nothing that no call can reach any more. */

import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Db, openDatabase } from '../../../agents/sessions/database.ts';
import { createSessionStore, openSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import { type SessionStore, StoreUnavailableError } from '../../../agents/sessions/store.ts';
import { alice, answer, exchange, KEY, temporaryFile, turn } from './samples.ts';

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

/** A session that is too large to be removed at once. */
async function converse(key: string, turns: number): Promise<void> {
  const ids = Array.from({ length: turns }, (_, n) => `t${n}`);
  const attachments = [{ mimeType: 'image/png', bytes: new Uint8Array([1]) }];
  await Promise.all(
    ids.map((id) => exchange(store, alice, key, turn(id, { attachments }), answer('well'))),
  );
}

const TABLES = ['sessions', 'branches', 'messages', 'answer_chunks', 'attachments', 'runs'];
const all = () => Object.fromEntries(TABLES.map((table) => [table, rows(table)]));

it('leaves no row of a long session either: it is gone at once, and removed by and by', async () => {
  const before = all();
  await converse('long', 400);
  await store.acceptTurn(alice, 'long', turn('under way'));
  expect(await store.delete(alice, 'long')).toBe('deleted');
  expect(rows('messages')).toBeGreaterThan(400);
  expect(store.describe(alice, 'long')).toBeUndefined();
  expect(store.list(alice, { limit: 9, offset: 0, archived: 'all' }).total).toBe(1);
  expect(await store.delete(alice, 'long')).toBe('not_found');
  // Its name is free.
  expect(await store.acceptTurn(alice, 'long', turn('t1'))).toMatchObject({ created: true });
  await store.delete(alice, 'long');
  await expect.poll(all, { timeout: 15_000 }).toEqual(before);
});

it('goes on with a removal, or undoes a fork, that a stop interrupted', async () => {
  const before = all();
  const file = temporaryFile();
  await store.close();
  store = openSessionStore({ path: file });
  await converse('long', 400);
  await converse('source', 200);
  await store.acceptTurn(alice, 'long', turn('under way'));
  const leaf = store.describe(alice, 'source')?.leafId ?? '';
  const to = { key: 'fork', agentId: 'main', timestamp: 1 };
  const forking = store.fork(alice, 'source', leaf, to).catch((error: unknown) => error);
  await store.delete(alice, 'long');
  await store.close();
  expect(await forking).toBeInstanceOf(StoreUnavailableError);
  db = openDatabase(file);
  store = createSessionStore(db);
  expect(rows('messages')).toBeGreaterThan(400);
  expect(rows('sessions')).toBe(3);
  expect(await store.recover(1)).toEqual({ interrupted: 0, queued: [] });
  await store.delete(alice, 'source');
  await expect
    .poll(all, { timeout: 15_000 })
    .toEqual(Object.fromEntries(Object.keys(before).map((key) => [key, 0])));
});
