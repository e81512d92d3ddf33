/** What each user's sessions hold: the sums are right whatever happens to a session, and bound what is stored. */

import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Db, openDatabase } from '../../../agents/sessions/database.ts';
import { migrate, migrations } from '../../../agents/sessions/migrations.ts';
import { createSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import type { SessionStore } from '../../../agents/sessions/store.ts';
import { alice, answer, bob, KEY, turn } from './samples.ts';

let db: Db;
let store: SessionStore;
let most = 0;

beforeEach(() => {
  most = 0;
  db = openDatabase(':memory:');
  store = createSessionStore(db, { maxBytesPerUser: () => most });
});

afterEach(() => store.close());

const sums = () =>
  db.prepare('SELECT user_id AS user, bytes FROM stored_bytes ORDER BY user_id').all();

/** Counted from the rows themselves, as the sums must be; an empty slot's two bytes are not counted there. */
const counted = () =>
  db
    .prepare(
      `SELECT user_id AS user, sum(
         coalesce((SELECT sum(octet_length(content)) FROM messages
           WHERE session = s.id AND state <> 'pending'), 0) +
         coalesce((SELECT sum(octet_length(a.bytes)) FROM messages m JOIN attachments a ON a.message = m.id
           WHERE m.session = s.id), 0)) AS bytes
       FROM sessions s WHERE user_id <> '' GROUP BY user_id ORDER BY user_id`,
    )
    .all();

const picture = { mimeType: 'image/png', bytes: new Uint8Array(1_000) };

async function talk(who: typeof alice, key: string, runId: string): Promise<void> {
  await store.acceptTurn(who, key, turn(runId, { text: 'grüße 🦊', attachments: [picture] }));
  await store.startRun(who, key, runId);
  await store.finishRun(who, key, runId, answer('antwort 🦊'));
}

it('follow sends, answers, notes, resets, forks and removals', async () => {
  await talk(alice, KEY, 'r1');
  await talk(bob, KEY, 'r1');
  expect(sums()).toEqual(counted());
  await store.acceptTurn(alice, KEY, turn('r2', { start: true }));
  await store.reset(alice, KEY, 3_000);
  await store.finishRun(alice, KEY, 'r2', answer('after the reset'));
  await store.inject(alice, KEY, { text: 'a note', timestamp: 4_000 });
  expect(sums()).toEqual(counted());
  const page = store.history(bob, KEY, { limit: 10, offset: 0 });
  const last = page?.messages.at(-1)?.id ?? '';
  await store.fork(bob, KEY, last, { key: 'fork', agentId: 'main', timestamp: 5_000 });
  expect(sums()).toEqual(counted());
  await store.delete(bob, KEY);
  expect(sums()).toEqual(counted());
  expect(await store.deleteUser('alice')).toEqual({ sessions: 1, messages: 5 });
  expect(sums()).toEqual(counted());
  await store.delete(bob, 'fork');
  expect(sums()).toEqual([]);
});

it('refuse what is new beyond the bound, and nothing else', async () => {
  await talk(alice, KEY, 'r1');
  most = 500;
  expect(await store.acceptTurn(alice, KEY, turn('r2'))).toEqual({
    outcome: 'refused',
    reason: 'storage_full',
  });
  expect(await store.acceptTurn(alice, KEY, turn('r1'))).toMatchObject({ outcome: 'duplicate' });
  expect(await store.acceptTurn(bob, KEY, turn('r2'))).toMatchObject({ outcome: 'accepted' });
  await store.delete(alice, KEY);
  expect(await store.acceptTurn(alice, KEY, turn('r2'))).toMatchObject({ outcome: 'accepted' });
});

/** Continues the conversation in a session of this key. */
function fork(who: typeof alice, key: string) {
  const leaf = store.describe(who, KEY)?.leafId ?? '';
  return store.fork(who, KEY, leaf, { key, agentId: 'main', timestamp: 5_000 });
}

const names = Array.from({ length: 5 }, (_, n) => `fork ${n}`);
const full = { outcome: 'refused', reason: 'storage_full' };
/** Copies that are not complete. */
const hidden = () =>
  db.prepare<[], number>(`SELECT count(*) FROM sessions WHERE user_id = ''`).pluck().get();

it('bound copies that are asked for at once as those that are asked for in turn', async () => {
  await talk(alice, KEY, 'r1');
  // Each takes something more than a thousand: a fourth would begin below the bound, and end above it.
  most = 4_000;
  const made = await Promise.all(names.map((name) => fork(alice, name)));
  expect(made.map(({ outcome }) => outcome)).toEqual([
    'moved',
    'moved',
    'refused',
    'refused',
    'refused',
  ]);
  expect(made[4]).toEqual(full);
});

it('refuse a copy that would exceed the bound before it is begun', async () => {
  await talk(alice, KEY, 'r1');
  const lastNumber = db.prepare(`SELECT seq FROM sqlite_sequence WHERE name = 'sessions'`).pluck();
  const before = lastNumber.get();
  most = 2_000;
  expect(await fork(alice, 'fork')).toEqual(full);
  // No session was made for it that could have been removed again.
  expect(lastNumber.get()).toBe(before);
});

it('bound a copy by what was stored while it was made; it leaves nothing', async () => {
  await talk(alice, KEY, 'r1');
  most = 3_000;
  const making = fork(alice, 'fork');
  const attachments = [picture, picture];
  expect(await store.acceptTurn(alice, 'other', turn('r2', { attachments }))).toMatchObject({
    outcome: 'accepted',
  });
  expect(await making).toEqual(full);
  await expect.poll(hidden).toBe(0);
  expect(sums()).toEqual(counted());
});

it('are exceeded by one copy of each user at most, which is not complete', async () => {
  await talk(alice, KEY, 'r1');
  await talk(bob, KEY, 'r1');
  const under = new Set<number | undefined>();
  const seen = (name: string) => fork(alice, name).then(() => under.add(hidden()));
  const all = Promise.all(names.map(seen));
  await fork(bob, 'fork');
  await all;
  expect(Math.max(...[...under].map((count) => count ?? 0))).toBeLessThanOrEqual(1);
  expect(store.list(alice, { limit: 9, offset: 0, archived: 'all' }).total).toBe(6);
});

it('leaves no row anywhere of a user who was removed, however much that was', async () => {
  for (let n = 0; n < 60; n++) await talk(alice, KEY, `r${n}`);
  await talk(alice, 'other', 'r');
  await store.acceptTurn(alice, 'waiting', turn('w'));
  expect(await store.deleteUser('alice')).toEqual({ sessions: 3, messages: 124 });
  const tables = [
    'sessions',
    'branches',
    'messages',
    'attachments',
    'runs',
    'stored_bytes',
    'session_counts',
  ];
  for (const table of tables) {
    expect([table, db.prepare(`SELECT count(*) FROM ${table}`).pluck().get()]).toEqual([table, 0]);
  }
  expect(await store.deleteUser('alice')).toEqual({ sessions: 0, messages: 0 });
});

it('are counted in a file of a release that did not count them', () => {
  const old = new Database(':memory:');
  migrate(old, migrations.slice(0, 2));
  old.exec(`
    INSERT INTO sessions (id, user_id, instance_id, session_key, session_id, agent_id, created_at, updated_at)
      VALUES (1, 'alice', 'tokyo', 'a', 's1', 'main', 1, 1), (2, 'alice', 'osaka', 'a', 's2', 'main', 1, 1),
             (3, '', '', 'buried:3', 's3', 'main', 1, 1);
    INSERT INTO branches VALUES (1, 1, NULL, 0, 's1'), (2, 1, NULL, 0, 's2'), (3, 1, NULL, 0, 's3');
    INSERT INTO messages (id, session, seq, branch, depth, role, state, content, timestamp)
      VALUES (1, 1, 1, 1, 1, 'user', 'complete', '"grüße"', 1), (2, 2, 1, 1, 1, 'user', 'complete', '"x"', 1),
             (3, 3, 1, 1, 1, 'user', 'complete', '"nobody"', 1);
    INSERT INTO attachments (message, n, mime_type, bytes) VALUES (1, 0, 'image/png', zeroblob(100));
  `);
  migrate(old);
  // "grüße" is seven bytes between its two quotation marks.
  expect(old.prepare('SELECT user_id, bytes FROM stored_bytes').all()).toEqual([
    { user_id: 'alice', bytes: 9 + 100 + 3 },
  ]);
  old.close();
});
