/** Statements are planned once, whatever they are asked for: see the note in database.ts. */

import Database, { type Statement } from 'better-sqlite3';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { IN_MEMORY } from '../../../agents/sessions/database.ts';
import { openSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import type { SessionStore } from '../../../agents/sessions/store.ts';
import { alice, answer, bob, exchange, KEY, temporaryFile, turn } from './samples.ts';

afterEach(() => vi.unstubAllGlobals());

/** What a chat asks of its store, with other values each time. */
async function use(store: SessionStore, n: number): Promise<void> {
  const who = n % 2 === 0 ? alice : bob;
  const key = `agent:main:${n}`;
  await exchange(store, who, key, turn(`a${n}`), answer('one'));
  const accepted = await store.acceptTurn(who, key, turn(`b${n}`, { start: true }));
  if (accepted.outcome !== 'accepted') throw new Error(accepted.outcome);
  const context = [...store.ancestors(who, key, accepted.run.answerSeq)];
  expect(context).toHaveLength(3);
  await store.checkpoint(who, key, `b${n}`, 'two');
  await store.finishRun(who, key, `b${n}`, answer('two'));
  const page = store.history(who, key, { limit: 2 + n, offset: n % 2, maxBytes: 1_000_000 });
  const [message] = page?.messages ?? [];
  if (!message) throw new Error('no messages');
  expect(store.message(who, key, message.id)?.id).toBe(message.id);
  expect(store.offsetOf(who, key, message.id)).toBeDefined();
  expect(store.branches(who, key)).toHaveLength(1);
  expect(
    store.list(who, { limit: 1 + n, offset: 0, archived: false }).sessions.length,
  ).toBeGreaterThan(0);
  expect(store.run(who, key, `b${n}`)).toBeDefined();
  await store.rewind(who, key, message.id);
  await exchange(store, who, key, turn(`c${n}`), answer('three'));
  await store.reset(who, key, 3_000 + n);
}

it('none that a chat needs is prepared anew when it is used again', async () => {
  const store = openSessionStore({ path: temporaryFile() });
  await exchange(store, alice, KEY, turn('r'), answer('hello'));
  for (const n of [0, 1]) await use(store, n);
  // better-sqlite3 makes a function for the rows of a statement, and another one when SQLite has prepared it anew.
  const made = vi.fn<FunctionConstructor>(Function);
  vi.stubGlobal('Function', made);
  for (const n of [2, 3, 4]) await use(store, n);
  expect(made.mock.calls).toEqual([]);
  await store.close();
});

it('four are read from the arrival of a message until its model can be called', async () => {
  const store = openSessionStore({ path: temporaryFile() });
  onTestFinished(() => store.close());
  await exchange(store, alice, KEY, turn('first'), answer('hello'));
  const accepted = await store.acceptTurn(alice, KEY, turn('second', { start: true }));
  if (accepted.outcome !== 'accepted') throw new Error(accepted.outcome);
  const db = new Database(IN_MEMORY);
  const statements: Statement = Object.getPrototypeOf(db.prepare('SELECT 1'));
  const spies = (['get', 'all', 'iterate'] as const).map((name) => vi.spyOn(statements, name));
  onTestFinished(() => void vi.restoreAllMocks());
  expect(store.run(alice, KEY, 'third')).toBeUndefined();
  expect(store.brief(alice, KEY).bytes).toBeGreaterThan(0);
  expect([...store.ancestors(alice, KEY, accepted.run.answerSeq)]).toHaveLength(3);
  const reads = spies.reduce((sum, { mock }) => sum + mock.calls.length, 0);
  expect(reads).toBe(4);
  db.close();
});
