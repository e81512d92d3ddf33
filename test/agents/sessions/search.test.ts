/** Search over one's own conversations: what is found, in which order, and at whose cost. */

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Db, openDatabase } from '../../../agents/sessions/database.ts';
import { createSearch } from '../../../agents/sessions/search.ts';
import { createSessionTable } from '../../../agents/sessions/session-table.ts';
import { createSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import {
  type SearchQuery,
  type SessionStore,
  StoreUnavailableError,
} from '../../../agents/sessions/store.ts';
import { createTranscriptTable } from '../../../agents/sessions/transcript-table.ts';
import { alice, answer, bob, KEY, turn } from './samples.ts';

let db: Db;
let store: SessionStore;

beforeEach(() => {
  db = openDatabase(':memory:');
  store = createSessionStore(db);
});
afterEach(() => store.close());

let count = 0;

/** One turn; the id of the user's message. */
async function say(text: string, reply = 'well', who = alice, key = KEY): Promise<string> {
  count += 1;
  const id = `r${count}`;
  const timestamp = count;
  const sent = await store.acceptTurn(who, key, turn(id, { text, start: true, timestamp }));
  await store.finishRun(who, key, id, answer(reply, { timestamp }));
  if (sent.outcome !== 'accepted') throw new Error('not accepted');
  return `${sent.run.sessionId.slice(0, 8)}-${sent.run.messageSeq}`;
}

async function search(text: string, more: Partial<SearchQuery> = {}, who = alice) {
  const found = await store.search(who, { text, limit: 25, ...more });
  if (found === 'busy') throw new Error('busy');
  return found;
}

const snippets = async (text: string, more: Partial<SearchQuery> = {}) =>
  (await search(text, more)).hits.map((hit) => hit.snippet);

describe('what is found', () => {
  it('is messages of both roles, with where they stand', async () => {
    const messageId = await say('where is the harbour?', 'The Harbour is in the east.');
    const { hits, truncated } = await search('harbour');
    expect(truncated).toBe(false);
    const { sessionId } = store.describe(alice, KEY) ?? {};
    const common = { key: KEY, sessionId, timestamp: count, score: expect.any(Number) };
    expect(hits).toContainEqual({
      ...common,
      messageId,
      role: 'user',
      snippet: 'where is the harbour?',
    });
    expect(hits).toContainEqual({
      ...common,
      messageId: expect.any(String),
      role: 'assistant',
      snippet: 'The Harbour is in the east.',
    });
  });

  it.each([
    ['HARBOUR', 'the harbour'],
    ['arbo', 'the harbour'],
    ['east harbour', 'the harbour, and its east side'],
    ['港', '我们在港口见面'],
    ['港口', '我们在港口见面'],
    ['港口 见', '我们在港口见面'],
    ['面', '我们在港口见面'],
    ['ÄRGER', 'viel ärger'],
    ['привет', 'Привет, мир'],
    ['say "hi"', 'then say "hi" to\nher'],
    ['c:\\temp', 'in C:\\Temp\\x'],
    ['two lines', 'two\nlines'],
    ['😀', 'a 😀 face'],
    ['ΟΔΟΣ', 'ΟΔΟΣΤΑΣΙΟ'],
    ['οδοσ', 'η ΟΔΟΣ'],
    ['100%', 'it is 100% sure'],
    ['a_b', 'the name a_b'],
  ])('by %j: %j', async (query, text) => {
    await say('something else', 'other words');
    await say(text);
    expect(await snippets(query)).toEqual([text.replaceAll('\n', ' ')]);
  });

  it.each([['harbour west'], ['   '], ['a.b'], ['axb'], ['%'], ['type'], ['text']])(
    'is nothing by %j',
    async (query) => {
      await say('the harbour a_b', 'well');
      expect(await search(query)).toEqual({ hits: [], truncated: false });
    },
  );

  it('has all of any text that a user may have written', async () => {
    const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(word, word, word, async (before, wanted, after) => {
        fc.pre(
          wanted.trim() !== '' && [before, wanted, after].every((each) => each.isWellFormed()),
        );
        await store.delete(alice, KEY);
        await say(before + wanted + after, '');
        expect((await search(wanted)).hits).toHaveLength(1);
      }),
      { numRuns: 300 },
    );
  });

  it('is not what a model thought, nor an answer to come, nor a way that was left', async () => {
    await store.acceptTurn(alice, KEY, turn('a', { text: 'needle one', start: true }));
    const content = [{ type: 'thinking' as const, thinking: 'needle two' }];
    await store.finishRun(alice, KEY, 'a', answer('', { content }));
    const left = await say('needle three');
    await store.rewind(alice, KEY, left);
    await say('needle four');
    expect((await snippets('needle')).toSorted()).toEqual(['needle four', 'needle one']);
    await store.reset(alice, KEY, 1);
    expect(await snippets('needle')).toEqual([]);
  });

  it('is gone with its session, and stays in a fork of it', async () => {
    await say('needle');
    const leaf = store.describe(alice, KEY)?.leafId ?? '';
    await store.fork(alice, KEY, leaf, { key: 'fork', agentId: 'main', timestamp: 1 });
    expect(await snippets('needle')).toHaveLength(2);
    await store.delete(alice, KEY);
    expect((await search('needle')).hits.map((hit) => hit.key)).toEqual(['fork']);
  });

  it('is bounded to sessions and agents that are asked for', async () => {
    await say('needle', 'x', alice, 'one');
    await say('needle', 'x', alice, 'two');
    await store.acceptTurn(alice, 'three', turn('q', { text: 'needle', agentId: 'helper' }));
    const keys = async (more: Partial<SearchQuery>) =>
      (await search('needle', more)).hits.map((hit) => hit.key).toSorted();
    expect(await keys({})).toEqual(['one', 'three', 'two']);
    expect(await keys({ keys: ['two', 'nowhere', 'two'] })).toEqual(['two']);
    expect(await keys({ agentId: 'helper' })).toEqual(['three']);
  });

  it('is nothing of anybody else', async () => {
    await say('needle', 'needle', bob);
    await say('needle', 'needle', { ...alice, instanceId: 'osaka' });
    expect(await search('needle', { keys: [KEY] })).toEqual({ hits: [], truncated: false });
    expect(await search('needle')).toEqual({ hits: [], truncated: false });
    expect(await search('needle', {}, { userId: '', instanceId: '' })).toMatchObject({ hits: [] });
    expect(await search('needle', {}, { ...bob, userId: '\ud800' })).toMatchObject({ hits: [] });
  });
});

describe('the order', () => {
  it('is by how much of a text the words are, then the newest first', async () => {
    await say('boat');
    await say(`a boat ${'and much else '.repeat(50)}`);
    await say('boat');
    const { hits } = await search('boat');
    expect(hits.map((hit) => hit.timestamp)).toEqual([count, count - 2, count - 1]);
    const scores = hits.map((hit) => hit.score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  });

  it('puts the words as they were written before the same words apart', async () => {
    await say('the boat is not red');
    await say(`here is the red boat of ${'somebody and '.repeat(30)}`);
    expect((await snippets('red boat'))[0]).toMatch(/^here is the red boat/);
  });

  it('keeps the best, and says that there is more', async () => {
    for (let n = 0; n < 40; n += 1) await say(n === 20 ? 'needle' : `needle ${'hay '.repeat(40)}`);
    const { hits, truncated } = await search('needle', { limit: 3 });
    expect(hits).toHaveLength(3);
    expect(hits[0]?.snippet).toBe('needle');
    expect(truncated).toBe(true);
  });
});

describe('a snippet', () => {
  it('shows the match within a long text, and is cut between characters', async () => {
    await say(`${'😀'.repeat(500)} the needle ${'😀'.repeat(500)}`);
    const [snippet = ''] = await snippets('needle');
    expect(snippet).toMatch(/^…😀.* the needle 😀.*…$/u);
    expect(snippet.isWellFormed()).toBe(true);
    expect(snippet.length).toBeLessThan(170);
  });
});

describe('the cost', () => {
  const tables = () => ({
    sessions: createSessionTable(db),
    transcript: createTranscriptTable(db),
  });

  it('is bounded, newest first, and what was not read is told', async () => {
    await say('needle old', 'x', alice, 'old');
    await say('needle new', 'x', alice, 'new');
    for (const bounds of [{ maxMessages: 2 }, { maxBytes: 60 }, { maxSessions: 1 }]) {
      const found = await createSearch(db, tables(), bounds).run(alice, {
        text: 'needle',
        limit: 9,
      });
      expect(found).toMatchObject({ truncated: true, hits: [{ key: 'new' }] });
    }
    const small = createSearch(db, tables(), { maxMessageBytes: 20 });
    const found = await small.run(alice, { text: 'needle', limit: 9 });
    expect(found).toEqual({ hits: [], truncated: true });
  });

  it('is paid in slices: others write meanwhile, and one user cannot start any number', async () => {
    for (let n = 0; n < 10; n += 1) await say('needle');
    let clock = 0;
    // Every look at the clock takes longer than a slice may.
    const engine = createSearch(db, tables(), { elapsed: () => (clock += 10), maxPerPrincipal: 2 });
    const order: string[] = [];
    const query = { text: 'needle', limit: 25 };
    const first = engine.run(alice, query).then((found) => {
      order.push('search');
      return found;
    });
    const second = engine.run(alice, query);
    expect(await engine.run(alice, query)).toBe('busy');
    const others = engine.run(bob, query);
    for (let n = 0; n < 3; n += 1) {
      await store.acceptTurn(bob, KEY, turn(`b${n}`));
      order.push('write');
    }
    expect(await first).toMatchObject({ truncated: false, hits: { length: 10 } });
    expect(await second).toEqual(await first);
    expect(await others).toMatchObject({ hits: [] });
    expect(order).toEqual(['write', 'write', 'write', 'search']);
    expect(await engine.run(alice, query)).toEqual(await first);
  });

  it('ends with the session that is deleted meanwhile', async () => {
    for (let n = 0; n < 10; n += 1) await say('needle');
    let clock = 0;
    const engine = createSearch(db, tables(), { elapsed: () => (clock += 10) });
    const searching = engine.run(alice, { text: 'needle', limit: 25 });
    await store.delete(alice, KEY);
    const found = await searching;
    expect(found === 'busy' ? 99 : found.hits.length).toBeLessThan(10);
  });
});

it('a search that meets a closing store is told so', async () => {
  const file = createSessionStore(openDatabase(':memory:'));
  await file.acceptTurn(alice, KEY, turn('a'));
  const searching = file.search(alice, { text: 'a', limit: 1 }).catch((error: unknown) => error);
  await file.close();
  expect(await searching).toBeInstanceOf(StoreUnavailableError);
});
