/** Paths over several branches. The leaf is moved by SQL here, to places that no rewind chooses too. */

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Db, openDatabase } from '../../../agents/sessions/database.ts';
import { createSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import type { MessageRecord, SessionStore, SpokenMessage } from '../../../agents/sessions/store.ts';
import { alice, answer, KEY, turn } from './samples.ts';

let db: Db;
let store: SessionStore;

beforeEach(() => {
  db = openDatabase(':memory:');
  store = createSessionStore(db);
});

afterEach(() => store.close());

async function say(id: string): Promise<void> {
  await store.acceptTurn(alice, KEY, turn(id, { text: id }));
  await store.finishRun(alice, KEY, id, answer(`= ${id}`));
}

/** Makes the message with this `seq` the active leaf; 0 for the root. */
function rewindTo(seq: number): void {
  const place = db
    .prepare<[number], { branch: number; depth: number }>(
      'SELECT branch, depth FROM messages WHERE seq = ?',
    )
    .get(seq) ?? { branch: 1, depth: 0 };
  db.prepare('UPDATE sessions SET branch = @branch, depth = @depth').run(place);
}

const texts = (messages: Iterable<SpokenMessage>) =>
  [...messages].map(({ content }) => (content[0]?.type === 'text' ? content[0].text : ''));

const path = () => texts(store.history(alice, KEY, { limit: 999, offset: 0 })?.messages ?? []);

describe('branches', () => {
  it('start where something else already follows the leaf; nothing is lost', async () => {
    await say('a');
    await say('b');
    const sessionId = store.describe(alice, KEY)?.sessionId;
    const lost = store.describe(alice, KEY)?.leafId ?? '';
    rewindTo(2);
    expect(path()).toEqual(['a', '= a']);
    await say('c');
    expect(path()).toEqual(['a', '= a', 'c', '= c']);
    expect(store.describe(alice, KEY)).toMatchObject({ sessionId, messageCount: 4 });
    expect(texts(store.ancestors(alice, KEY, 6))).toEqual(['c', '= a', 'a']);
    expect(texts(store.ancestors(alice, KEY, 4))).toEqual(['b', '= a', 'a']);
    expect(store.message(alice, KEY, lost)).toMatchObject({ seq: 4 });
    expect(store.offsetOf(alice, KEY, lost)).toBeUndefined();
    expect(await store.acceptTurn(alice, KEY, turn('x', { expectedLeafId: lost }))).toMatchObject({
      outcome: 'refused',
      reason: 'stale_leaf',
    });
  });

  it('may start at the root, and a message goes on where nothing follows it', async () => {
    await say('a');
    rewindTo(0);
    await say('b');
    expect(path()).toEqual(['b', '= b']);
    rewindTo(2);
    await say('c');
    expect(path()).toEqual(['a', '= a', 'c', '= c']);
    expect(db.prepare('SELECT count(*) FROM branches').pluck().get()).toBe(2);
  });

  it('count a pending slot only on the path that it lies on', async () => {
    await say('a');
    await store.acceptTurn(alice, KEY, turn('runs', { start: true }));
    rewindTo(2);
    const page = () => store.history(alice, KEY, { limit: 9, offset: 0 });
    expect(page()?.totalMessages).toBe(2);
    await say('c');
    expect(page()?.totalMessages).toBe(4);
    await store.finishRun(alice, KEY, 'runs', answer('late'));
    expect(page()?.totalMessages).toBe(4);
  });

  it('read as the paths of a simple tree, whatever is rewound and however it is paged', async () => {
    // Each number rewinds to that place of the current path (modulo its length), then says a turn.
    const script = fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 25, size: 'max' });
    await fc.assert(
      fc.asyncProperty(script, fc.integer({ min: 1, max: 7 }), async (places, limit) => {
        await store.delete(alice, KEY);
        let expected: { seq: number; text: string }[] = [];
        let seq = 0;
        for (const [n, place] of places.entries()) {
          expected = expected.slice(0, place % (expected.length + 1));
          if (n > 0) rewindTo(expected.at(-1)?.seq ?? 0);
          await say(`t${n}`);
          expected.push({ seq: seq + 1, text: `t${n}` }, { seq: seq + 2, text: `= t${n}` });
          seq += 2;
        }
        const read: MessageRecord[] = [];
        let offset: number | undefined = 0;
        while (offset !== undefined) {
          const page = store.history(alice, KEY, { limit, offset });
          read.unshift(...(page?.messages ?? []));
          expect(page?.totalMessages).toBe(expected.length);
          expect(page?.nextOffset ?? offset + 1).toBeGreaterThan(offset);
          offset = page?.nextOffset;
        }
        expect(read.map((message) => message.seq)).toEqual(expected.map((each) => each.seq));
        expect(texts(read)).toEqual(expected.map(({ text }) => text));
        const spoken = read.map(({ seq: at, role, state, content }) => ({
          seq: at,
          role,
          state,
          content,
        }));
        expect([...store.ancestors(alice, KEY, seq)]).toEqual(spoken.slice(0, -1).toReversed());
        read.forEach((message, n) => {
          expect(store.offsetOf(alice, KEY, message.id)).toBe(read.length - 1 - n);
        });
      }),
      { numRuns: 60 },
    );
  });
});
