/** How many sessions a list says that there are: right whatever happens to them, and read from no session. */

import Database from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openDatabase } from '../../../agents/sessions/database.ts';
import { migrate, migrations } from '../../../agents/sessions/migrations.ts';
import { createSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import { alice, answer, bob, turn } from './samples.ts';

const elsewhere = { userId: alice.userId, instanceId: 'osaka' };

const step = fc.record({
  who: fc.constantFrom(alice, elsewhere, bob),
  key: fc.constantFrom('a', 'b', 'c'),
  what: fc.constantFrom('talk', 'archive', 'restore', 'label', 'fork', 'reset', 'delete', 'leave'),
});

test('the count is that of the rows, after whatever was done', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const db = openDatabase(':memory:');
      const store = createSessionStore(db);
      const does = {
        talk: (who: typeof alice, key: string, n: number) =>
          store.acceptTurn(who, key, turn(`r${n}`, { start: true })),
        archive: (who: typeof alice, key: string) => store.patch(who, key, { archived: true }, 1),
        restore: (who: typeof alice, key: string) => store.patch(who, key, { archived: false }, 2),
        label: (who: typeof alice, key: string) => store.patch(who, key, { label: 'x' }, 3),
        async fork(who: typeof alice, key: string, n: number) {
          await store.finishRun(who, key, `r${n - 1}`, answer('done'));
          const last = store.history(who, key, { limit: 1, offset: 0 })?.messages.at(-1);
          const to = { key: `fork-${n}`, agentId: 'main', timestamp: n };
          if (last) await store.fork(who, key, last.id, to);
        },
        reset: (who: typeof alice, key: string) => store.reset(who, key, 4),
        delete: (who: typeof alice, key: string) => store.delete(who, key),
        leave: (who: typeof alice) => store.deleteUser(who.userId),
      };
      for (const [n, { who, key, what }] of steps.entries()) await does[what](who, key, n);

      for (const who of [alice, elsewhere, bob]) {
        for (const archived of [true, false, 'all'] as const) {
          const { sessions, total } = store.list(who, { archived, limit: 100, offset: 0 });
          expect(total).toBe(sessions.length);
        }
      }
      // Nothing is kept of those who have none.
      const kept = db.prepare('SELECT count(*) FROM session_counts WHERE sessions <= 0').pluck();
      const numbers = db.prepare('SELECT sum(sessions) FROM session_counts').pluck();
      const owned = db.prepare("SELECT count(*) FROM sessions WHERE user_id <> ''").pluck();
      expect([kept.get(), numbers.get() ?? 0]).toEqual([0, owned.get()]);
      await store.close();
    }),
    { numRuns: 80 },
  );
});

test('sessions are counted in a file of a release that did not count them', () => {
  const old = new Database(':memory:');
  migrate(old, migrations.slice(0, 3));
  const insert = old.prepare(`
    INSERT INTO sessions (user_id, instance_id, session_key, session_id, agent_id, created_at, updated_at, archived_at)
      VALUES (?, ?, ?, 's', 'main', 1, 1, ?)`);
  insert.run('alice', 'tokyo', 'a', null);
  insert.run('alice', 'tokyo', 'b', null);
  insert.run('alice', 'tokyo', 'c', 1);
  insert.run('alice', 'osaka', 'a', null);
  insert.run('', '', 'buried:5', null);
  migrate(old);
  expect(old.prepare('SELECT * FROM session_counts').raw().all()).toEqual([
    ['alice', 'osaka', 0, 1],
    ['alice', 'tokyo', 0, 2],
    ['alice', 'tokyo', 1, 1],
  ]);
  old.close();
});
