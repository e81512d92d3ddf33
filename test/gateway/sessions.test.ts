/** A user's sessions: what makes them, how they change, and how they are listed. */

import { describe, expect, test } from 'vitest';
import { type Client, isTerminal, type Json } from '../support/client.ts';
import {
  describeSession,
  historyOf,
  messageText,
  NOT_FOUND,
  nextMillisecond,
  sessionsScene,
} from '../support/sessions.ts';
import { DONE, events, finish, gate, model, role, says, text } from '../support/upstream/openai.ts';

const scene = sessionsScene();
const { someone, lastCall } = scene;

describe('sessions.create', () => {
  test('makes an empty session with label and model', async () => {
    const client = await someone();
    const created = await client.request('sessions.create', {
      key: 'agent:main:new',
      label: 'Plans',
      model: 'mock/mock-2',
    });
    expect(created).toMatchObject({
      ok: true,
      key: 'agent:main:new',
      entry: { label: 'Plans', displayName: 'Plans', modelProvider: 'mock', model: 'mock-2' },
    });
    expect(created.runStarted).toBeUndefined();
    const { sessionId } = await client.request('chat.history', { sessionKey: 'agent:main:new' });
    expect(sessionId).toBe(created.sessionId);
  });

  test('without a key makes one of the agent, twice the same for the same idempotency key', async () => {
    const client = await someone();
    const other = await client.request('sessions.create', { agentId: 'helper' });
    expect(other.key).toMatch(/^agent:helper:/);
    const params = { idempotencyKey: crypto.randomUUID(), message: 'once' };
    const first = await client.request('sessions.create', params);
    await client.event('chat', (each) => each.runId === first.runId && isTerminal(each.state));
    const second = await client.request('sessions.create', params);
    expect(second).toMatchObject({ key: first.key, sessionId: first.sessionId });
    expect(await historyOf(client, first.key)).toEqual(['once', 'You said: once']);
  });

  test('of an existing key leaves that session as it is', async () => {
    const client = await someone();
    await client.say('agent:main:kept', 'keep me');
    const again = await client.request('sessions.create', { key: 'agent:main:kept' });
    expect(again.entry.derivedTitle).toBe('keep me');
    expect(await historyOf(client, 'agent:main:kept')).toHaveLength(2);
  });

  test('with a first message answers it', async () => {
    const client = await someone();
    const { key, runId, runStarted, messageSeq } = await client.request('sessions.create', {
      message: 'begin',
    });
    expect({ runStarted, messageSeq }).toEqual({ runStarted: true, messageSeq: 1 });
    const end = await client.event(
      'chat',
      (each) => each.runId === runId && isTerminal(each.state),
    );
    expect(end).toMatchObject({ state: 'final', sessionKey: key });
  });

  test.each([
    [{ agentId: 'nobody' }, 'UNKNOWN_AGENT_ID'],
    [{ key: 'agent:main:x', agentId: 'nobody' }, 'UNKNOWN_AGENT_ID'],
    [{ model: 'mock/unheard-of' }, 'UNKNOWN_MODEL'],
  ])('of %j is refused as %s, and makes nothing', async (params, code) => {
    const client = await someone();
    const { error } = await client.ask('sessions.create', params);
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', details: { code } });
    expect(await client.request('sessions.list')).toMatchObject({ totalCount: 0 });
  });
});

test.each(['agent:main:x', 'plain'])(
  'sessions.create of the key %s does not give it to another agent',
  async (key) => {
    const client = await someone();
    const { error } = await client.ask('sessions.create', { key, agentId: 'helper' });
    expect(error).toEqual({
      code: 'INVALID_REQUEST',
      message: 'invalid sessions.create params: at /agentId: the key belongs to the agent "main"',
    });
    expect(await describeSession(client, key)).toBeNull();
  },
);

describe('sessions.patch', () => {
  test('labels, pins, archives and marks; null clears', async () => {
    const client = await someone();
    await client.say('main', 'hello');
    const patch = async (change: object) =>
      (await client.request('sessions.patch', { key: 'main', ...change })).entry;
    expect(await patch({ label: 'Mine' })).toMatchObject({ label: 'Mine', derivedTitle: 'hello' });
    expect((await patch({ label: null })).label).toBeUndefined();
    expect(await patch({ pinned: true })).toMatchObject({ pinned: true });
    expect(await patch({ pinned: false })).toMatchObject({ pinned: false });
    expect((await describeSession(client, 'main')).unread).toBe(true);
    expect(await patch({ unread: false })).toMatchObject({ unread: false });
    expect(await patch({ unread: true })).toMatchObject({ unread: true });
    expect(await patch({ archived: true })).toMatchObject({ archived: true });
  });

  test('switches the model that answers, and back', async () => {
    scene.upstream.when(model('mock-2'), events(role(), text('two here'), finish('stop'), DONE));
    const client = await someone();
    await client.say('main', 'first');
    await client.request('sessions.patch', { key: 'main', model: 'mock/mock-2' });
    const second = await client.say('main', 'second');
    expect(second.message).toMatchObject({ provider: 'mock', model: 'mock-2' });
    expect(messageText(second.message)).toBe('two here');
    const back = await client.request('sessions.patch', { key: 'main', model: null });
    expect(back.resolved).toEqual({ modelProvider: 'mock', model: 'mock-1' });
    expect((await client.say('main', 'third')).message.model).toBe('mock-1');
  });

  test('takes a model by its id alone if only one has it, and refuses one that is unknown', async () => {
    const client = await someone();
    await client.request('sessions.create', { key: 'main' });
    const patched = await client.request('sessions.patch', { key: 'main', model: 'mock-2' });
    expect(patched.resolved).toEqual({ modelProvider: 'mock', model: 'mock-2' });
    const { error } = await client.ask('sessions.patch', { key: 'main', model: 'gpt-unknown' });
    expect(error.details.code).toBe('UNKNOWN_MODEL');
    expect((await describeSession(client, 'main')).model).toBe('mock-2');
  });

  test('of a session that was reset meanwhile is refused, if it says which one it means', async () => {
    const client = await someone();
    const { sessionId } = await client.request('sessions.create', { key: 'main' });
    await client.request('sessions.reset', { key: 'main' });
    for (const method of ['sessions.patch', 'sessions.delete']) {
      const { error } = await client.ask(method, { key: 'main', expectedSessionId: sessionId });
      expect(error.details.code).toBe('STALE_SESSION');
    }
  });
});

describe('sessions.reset', () => {
  test('gives a new session id and an empty history; what was said is not sent upstream again', async () => {
    const client = await someone();
    await client.say('main', 'my secret number is 4711');
    const before = await describeSession(client, 'main');
    const reset = await client.request('sessions.reset', { key: 'main' });
    expect(reset).toMatchObject({ ok: true, key: 'agent:main:main' });
    expect(reset.sessionId).not.toBe(before.sessionId);
    expect(await historyOf(client, 'main')).toEqual([]);
    const row = await describeSession(client, 'main');
    expect(row).toMatchObject({ sessionId: reset.sessionId, totalTokens: 0, inputTokens: 0 });
    expect(row.derivedTitle).toBeUndefined();
    await client.say('main', 'what was my number again?');
    expect(JSON.stringify(lastCall('what was my number'))).not.toContain('4711');
  });

  test('keeps the label and the model that were chosen', async () => {
    const client = await someone();
    await client.request('sessions.create', { key: 'main', label: 'Mine', model: 'mock/mock-2' });
    const { entry } = await client.request('sessions.reset', { key: 'main' });
    expect(entry).toMatchObject({ label: 'Mine', model: 'mock-2' });
  });

  test('ends what runs and what waits', async () => {
    const never = gate();
    scene.upstream.when(says('run until reset'), events(role(), text('…'), never.promise));
    const client = await someone();
    const send = (message: string, idempotencyKey: string) =>
      client.request('chat.send', { sessionKey: 'main', message, idempotencyKey });
    await send('run until reset', 'r1');
    await send('never to be asked', 'r2');
    await client.event('chat', (each) => each.runId === 'r1' && each.state === 'delta');
    await client.request('sessions.reset', { key: 'main' });
    const ends = await Promise.all(
      ['r1', 'r2'].map((runId) =>
        client.event('chat', (each) => each.runId === runId && isTerminal(each.state)),
      ),
    );
    expect(ends.map((each) => each.state)).toEqual(['aborted', 'aborted']);
    expect(await historyOf(client, 'main')).toEqual([]);
    expect(lastCall('never to be asked')).toBeUndefined();
  });
});

describe('sessions.delete', () => {
  test('removes the session with all that was said; the key is free again', async () => {
    const client = await someone();
    await client.say('main', 'to be forgotten');
    const before = await describeSession(client, 'main');
    const deleted = await client.request('sessions.delete', { key: 'main' });
    expect(deleted).toEqual({ ok: true, key: 'agent:main:main', deleted: true, archived: [] });
    expect(await describeSession(client, 'main')).toBeNull();
    expect(await historyOf(client, 'main')).toEqual([]);
    expect(await client.request('sessions.list')).toMatchObject({ totalCount: 0 });
    const { error } = await client.ask('sessions.delete', { key: 'main' });
    expect(error).toMatchObject(NOT_FOUND);
    await client.say('main', 'a new beginning');
    expect((await describeSession(client, 'main')).sessionId).not.toBe(before.sessionId);
    expect(JSON.stringify(lastCall('a new beginning'))).not.toContain('forgotten');
  });

  test('ends the run under way', async () => {
    const never = gate();
    scene.upstream.when(says('run until deleted'), events(role(), text('…'), never.promise));
    const client = await someone();
    const send = { sessionKey: 'main', message: 'run until deleted', idempotencyKey: 'd1' };
    await client.request('chat.send', send);
    await client.event('chat', (each) => each.state === 'delta');
    await client.request('sessions.delete', { key: 'main' });
    const end = await client.event('chat', (each) => isTerminal(each.state));
    expect(end.state).toBe('aborted');
    const call = scene.upstream.requests.find((each) =>
      each.bodyText.includes('run until deleted'),
    );
    expect(await call?.closed).toBe('dropped');
  });
});

describe('staleness', () => {
  test('a deletion that means the session before a reset under way spares the one after it', async () => {
    const never = gate();
    scene.upstream.when(says('run until reset'), events(role(), text('…'), never.promise));
    const client = await someone();
    const send = { sessionKey: 'main', message: 'run until reset', idempotencyKey: 's1' };
    await client.request('chat.send', send);
    await client.event('chat', (each) => each.state === 'delta');
    const key = 'main';
    const { sessionId } = await describeSession(client, key);
    // All at once: the reset waits until the answer has ended, and the deletion for the reset.
    const reset = client.ask('sessions.reset', { key });
    const sent = client.ask('chat.send', { ...send, message: 'new', idempotencyKey: 's2' });
    const deleted = client.ask('sessions.delete', { key, expectedSessionId: sessionId });
    expect((await reset).ok).toBe(true);
    expect((await sent).ok).toBe(true);
    expect((await deleted).error.details.code).toBe('STALE_SESSION');
    expect(await historyOf(client, key)).toContain('new');
  });

  test('a send that expects another session id is refused and not stored', async () => {
    const client = await someone();
    const { sessionId } = await client.request('sessions.create', { key: 'main' });
    const send = (idempotencyKey: string) =>
      client.ask('chat.send', { sessionKey: 'main', message: 'x', idempotencyKey, sessionId });
    expect((await send('before')).ok).toBe(true);
    await client.request('sessions.reset', { key: 'main' });
    expect((await send('after')).error.details.code).toBe('STALE_SESSION');
    expect(await historyOf(client, 'main')).toEqual([]);
  });

  test('a send that expects a leaf which is not on the path any more is refused', async () => {
    const client = await someone();
    const end = await client.say('main', 'one');
    const leaf = end.message.__openclaw.id;
    const send = (idempotencyKey: string, expectedLeafEntryId: string | null) =>
      client.ask('chat.send', {
        sessionKey: 'main',
        message: idempotencyKey,
        idempotencyKey,
        expectedLeafEntryId,
      });
    expect((await send('on the leaf', leaf)).ok).toBe(true);
    expect((await send('expects nothing', null)).ok).toBe(true);
    expect((await send('made up', '0123abcd-9')).error.details.code).toBe('STALE_LEAF');
    await client.request('sessions.reset', { key: 'main' });
    expect((await send('before the reset', leaf)).error.details.code).toBe('STALE_LEAF');
    // What was accepted stays accepted, whatever has become of the leaf since.
    expect((await send('on the leaf', leaf)).ok).toBe(true);
  });
});

describe('sessions.list', () => {
  async function withSessions(): Promise<Client> {
    const client = await someone();
    for (const [key, message] of [
      ['agent:main:one', 'Buy apples'],
      ['agent:main:two', 'Sell pears'],
      ['agent:helper:three', 'Bake bread'],
    ] as const) {
      await client.say(key, message);
    }
    nextMillisecond();
    await client.request('sessions.patch', { key: 'agent:main:two', label: 'Fruit trade' });
    return client;
  }
  const keys = (list: Json) => list.sessions.map((each: Json) => each.key);

  test('has the newest first, and pages', async () => {
    const client = await withSessions();
    const all = ['agent:main:two', 'agent:helper:three', 'agent:main:one'];
    expect(keys(await client.request('sessions.list'))).toEqual(all);
    const first = await client.request('sessions.list', { limit: 2 });
    expect(first).toMatchObject({
      count: 2,
      totalCount: 3,
      limitApplied: 2,
      nextOffset: 2,
      hasMore: true,
    });
    const rest = await client.request('sessions.list', { limit: 2, offset: first.nextOffset });
    expect(rest).toMatchObject({ count: 1, hasMore: false, nextOffset: null });
    expect([...keys(first), ...keys(rest)]).toEqual(all);
    expect(keys(await client.request('sessions.list', { offset: 99 }))).toEqual([]);
  });

  test.each([
    [{ search: 'APPLES' }, ['agent:main:one']],
    [{ search: 'fruit' }, ['agent:main:two']],
    [{ search: 'three' }, ['agent:helper:three']],
    [{ search: '%' }, []],
    [{ search: '  ' }, ['agent:main:two', 'agent:helper:three', 'agent:main:one']],
    [{ label: 'Fruit trade' }, ['agent:main:two']],
    [{ label: 'fruit trade' }, []],
    [{ agentId: 'helper' }, ['agent:helper:three']],
    [{ activeMinutes: 5 }, ['agent:main:two', 'agent:helper:three', 'agent:main:one']],
    [{ spawnedBy: 'agent:main:one' }, []],
  ])('with %j finds %j', async (params, expected) => {
    const client = await withSessions();
    expect(keys(await client.request('sessions.list', params))).toEqual(expected);
  });

  test('leaves archived sessions out unless they are asked for', async () => {
    const client = await withSessions();
    await client.request('sessions.patch', { key: 'agent:main:one', archived: true });
    const others = ['agent:main:two', 'agent:helper:three'];
    expect(keys(await client.request('sessions.list'))).toEqual(others);
    expect(keys(await client.request('sessions.list', { archived: false }))).toEqual(others);
    expect(keys(await client.request('sessions.list', { archived: true }))).toEqual([
      'agent:main:one',
    ]);
    expect(keys(await client.request('sessions.list', { archived: 'all' }))).toHaveLength(3);
    await client.request('sessions.patch', { key: 'agent:main:one', archived: false });
    expect(keys(await client.request('sessions.list'))).toHaveLength(3);
  });

  test('titles a session by the first line of its first message', async () => {
    const client = await someone();
    await client.say('main', '\n  Plan for 東京 🗼  \nwith details');
    await client.say('main', 'another line');
    const { sessions } = await client.request('sessions.list');
    expect(sessions[0].derivedTitle).toBe('Plan for 東京 🗼');
    const calls = scene.upstream.requests.filter((each) => each.bodyText.includes('Plan for 東京'));
    expect(calls).toHaveLength(2);
  });
});

test('a list is sorted by the last change, or by what the user said last', async () => {
  const client = await someone();
  await client.say('agent:main:one', 'hello');
  await client.say('agent:main:two', 'hello');
  nextMillisecond();
  await client.request('sessions.patch', { key: 'agent:main:one', label: 'named later' });
  const keys = async (params: object) => {
    const { sessions } = await client.request('sessions.list', params);
    return sessions.map((row: Json) => row.key);
  };
  const [one, two] = ['agent:main:one', 'agent:main:two'];
  expect(await keys({})).toEqual([one, two]);
  expect(await keys({ sortBy: 'updatedAt' })).toEqual([one, two]);
  expect(await keys({ sortBy: 'lastInteractionAt' })).toEqual([two, one]);
  expect(await keys({ sortBy: 'lastInteractionAt', limit: 1, offset: 1 })).toEqual([one]);
  expect(await keys({ sortBy: 'lastInteractionAt', search: 'named' })).toEqual([one]);
});
