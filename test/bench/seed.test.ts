/** A seeded store is one that the gateway could have written. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Db, openDatabase } from '../../agents/sessions/database.ts';
import { createSessionStore } from '../../agents/sessions/sqlite-store.ts';
import type { SessionStore } from '../../agents/sessions/store.ts';
import {
  longSessionsOf,
  MESSAGES_PER_SESSION,
  NEIGHBOUR,
  OWNER,
  seedStore,
  sessionKeyOf,
} from '../../bench/seed.ts';

const SESSIONS = 300;

const folder = mkdtempSync(join(tmpdir(), 'oc-gateway-seed-'));
let db: Db;
let store: SessionStore;

beforeAll(async () => {
  const path = join(folder, 'store.sqlite');
  await seedStore(path, SESSIONS);
  db = openDatabase(path);
  store = createSessionStore(db);
});

afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

test('it has as many sessions and messages as it says', () => {
  const count = (table: string) => db.prepare(`SELECT count(*) FROM ${table}`).pluck().get();
  expect(count('sessions')).toBe(SESSIONS);
  expect(count('messages')).toBe(SESSIONS * MESSAGES_PER_SESSION);
  expect(db.pragma('foreign_key_check')).toEqual([]);
});

test('one user has half of it, another always the same number', () => {
  expect(store.list(OWNER, { archived: 'all', limit: 1, offset: 0 }).total).toBe(SESSIONS / 2);
  expect(store.list(NEIGHBOUR, { archived: 'all', limit: 1, offset: 0 }).total).toBe(50);
});

test('long sessions are more than a page, in the copies too', () => {
  const long = longSessionsOf(SESSIONS).map(sessionKeyOf);
  expect(long).toHaveLength(SESSIONS / 20);
  for (const key of long) {
    expect(store.history(OWNER, key, { limit: 50, offset: 0 })?.messages).toHaveLength(50);
  }
});

test('the sums of bytes are those of the rows', () => {
  const sums = db.prepare('SELECT user_id, bytes FROM stored_bytes ORDER BY user_id').all();
  const counted = db
    .prepare(
      `SELECT s.user_id, sum(octet_length(m.content)) AS bytes
       FROM sessions s JOIN messages m ON m.session = s.id GROUP BY 1 ORDER BY 1`,
    )
    .all();
  expect(sums).toEqual(counted);
});
