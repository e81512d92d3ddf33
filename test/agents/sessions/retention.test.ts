/** Which sessions leave, when their users go on using them meanwhile. */

import { afterEach, beforeEach, expect, it } from 'vitest';
import { IN_MEMORY } from '../../../agents/sessions/database.ts';
import { openSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import type { RetentionRules, SessionStore } from '../../../agents/sessions/store.ts';
import { alice, answer, bob, exchange, turn } from './samples.ts';

let store: SessionStore;

beforeEach(async () => {
  store = openSessionStore({ path: IN_MEMORY });
  for (let n = 0; n < 6; n++) await talk(`s${n}`, n);
  await store.create(bob, { key: 'his', agentId: 'main', timestamp: 10 });
});

afterEach(() => store.close());

async function talk(key: string, timestamp: number): Promise<void> {
  const asked = turn(`r${timestamp}`, { timestamp });
  await exchange(store, alice, key, asked, answer('well', { timestamp }));
}

const keysOf = (who: typeof alice) =>
  store.list(who, { limit: 100, offset: 0, archived: 'all' }).sessions.map(({ key }) => key);

/** Applies the rules; as the first session has gone, its user says something in this other one. */
async function retireWhileUsed(rules: RetentionRules, key: string): Promise<number> {
  let used: Promise<void> | undefined;
  const count = await store.retire(rules, () => {
    used ??= talk(key, 1_000);
  });
  await used;
  return count;
}

it('leaves the last updated ones of each user', async () => {
  expect(await store.retire({ maxEntries: 2 }, () => {})).toBe(4);
  expect(keysOf(alice)).toEqual(['s5', 's4']);
  expect(keysOf(bob)).toEqual(['his']);
});

it('leaves a session that came to be among the last updated while others went', async () => {
  expect(await retireWhileUsed({ maxEntries: 2 }, 's3')).toBe(3);
  expect(keysOf(alice)).toEqual(['s3', 's5', 's4']);
});

it('leaves a session that was idle, and is not any more', async () => {
  expect(await retireWhileUsed({ updatedBefore: 4 }, 's3')).toBe(3);
  expect(keysOf(alice)).toEqual(['s3', 's5', 's4']);
});
