/** A user's sessions: what names them, what makes them, how they change, and who hears of it. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connectClient, isTerminal, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway, startGateway } from '../support/gateway.ts';
import {
  DONE,
  events,
  finish,
  gate,
  model,
  role,
  says,
  startOpenAiUpstream,
  text,
  type Upstream,
} from '../support/upstream/openai.ts';

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  const auth = {
    mode: 'trusted-proxy',
    trustedProxy: { allowLoopback: true },
    identityScopes: { root: ['operator.admin'] },
  };
  gateway = await shareGateway({
    config: testConfig({
      upstream: upstream.url,
      gateway: { auth, limits: { requestsPerSecond: 0, sendsPerMinute: 0 } },
      entries: { main: {}, helper: { systemPrompt: 'You are the helper.' } },
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const someone = (options: object = {}) =>
  connectClient({ port: gateway.port, user: `someone-${crypto.randomUUID()}`, ...options });

/** Sessions are dated to the millisecond: what is to stand above another must not happen in the same one. */
function nextMillisecond(): void {
  const now = Date.now();
  while (Date.now() === now);
}

const messageText = (message: Json) => message.content.map((block: Json) => block.text).join('');
const NOT_FOUND = { code: 'INVALID_REQUEST', details: { code: 'SESSION_NOT_FOUND' } };

async function historyOf(client: Client, sessionKey: string): Promise<string[]> {
  const { messages } = await client.request('chat.history', { sessionKey, limit: 1_000 });
  return messages.map(messageText);
}

const describeSession = async (client: Client, key: string) =>
  (await client.request('sessions.describe', { key })).session;

/** What the upstream was sent last that contains this text. */
function lastCall(containing: string): Json {
  return upstream.requests.findLast((each) => each.bodyText.includes(containing))?.body;
}

describe('a session that does not exist', () => {
  const key = 'agent:main:nowhere';

  test('has an empty history and an empty startup', async () => {
    const client = await someone();
    const empty = {
      sessionKey: key,
      messages: [],
      hasMore: false,
      totalMessages: 0,
      sessionInfo: null,
    };
    expect(await client.request('chat.history', { sessionKey: key })).toEqual(empty);
    expect(await client.request('chat.startup', { sessionKey: key })).toEqual({
      ...empty,
      metadata: { models: expect.any(Array), commands: [] },
    });
  });

  test('is described as null and has no message', async () => {
    const client = await someone();
    expect(await describeSession(client, key)).toBeNull();
    const get = { sessionKey: key, messageId: '0123abcd-1' };
    expect(await client.request('chat.message.get', get)).toEqual({
      ok: false,
      unavailableReason: 'not_found',
    });
  });

  test('may be watched before its first message', async () => {
    const client = await someone();
    const watched = await client.request('sessions.messages.subscribe', { key });
    expect(watched).toEqual({ subscribed: true, key });
    expect(await describeSession(client, key)).toBeNull();
    await client.request('chat.send', { sessionKey: key, message: 'now', idempotencyKey: 'k' });
    expect((await client.event('session.message')).message.role).toBe('user');
  });

  test.each([
    ['sessions.patch', { key, label: 'x' }],
    ['sessions.reset', { key }],
    ['sessions.delete', { key }],
    ['sessions.abort', { key }],
    ['chat.abort', { sessionKey: key }],
    ['chat.inject', { sessionKey: key, message: 'x' }],
  ])('is not found by %s, which does not make it either', async (method, params) => {
    const root = await connectClient({ port: gateway.port, user: 'root', instance: method });
    const { ok, error } = await root.ask(method, params);
    expect(ok).toBe(false);
    expect(error).toMatchObject(NOT_FOUND);
    expect(error.message).toBe(`Session "${key}" was not found.`);
    expect(await root.request('sessions.list', { archived: 'all' })).toMatchObject({ count: 0 });
  });

  test('is made by a send', async () => {
    const client = await someone();
    await client.say(key, 'first');
    expect(await describeSession(client, key)).toMatchObject({ key, derivedTitle: 'first' });
  });
});

describe('keys', () => {
  test('the bare main key, the full one and no header mean the same session', async () => {
    const client = await someone();
    expect(client.hello.snapshot.sessionDefaults.mainSessionKey).toBe('agent:main:main');
    const end = await client.say('main', 'hello');
    expect(end.sessionKey).toBe('agent:main:main');
    expect(await historyOf(client, 'agent:main:main')).toHaveLength(2);
    const described = await describeSession(client, 'main');
    expect(described.key).toBe('agent:main:main');
    const listed = await client.request('sessions.list');
    expect(listed.sessions.map((each: Json) => each.key)).toEqual(['agent:main:main']);
  });

  test('a header that says "main" names the same main session as no header', async () => {
    const user = `main-${crypto.randomUUID()}`;
    const named = await someone({ user, session: 'main' });
    const unnamed = await someone({ user });
    await named.say('main', 'from the named one');
    expect(await historyOf(unnamed, 'main')).toHaveLength(2);
    expect(named.hello.snapshot.sessionDefaults).toEqual(unnamed.hello.snapshot.sessionDefaults);
  });

  test('with the header, "main" is the session that it names, and agent:main:main another', async () => {
    const client = await someone({ session: 'portal-9' });
    await client.say('main', 'into the portal session');
    expect(await historyOf(client, 'portal-9')).toHaveLength(2);
    expect(await historyOf(client, 'agent:main:main')).toEqual([]);
  });

  test('agent:<id>:… is answered by that agent, anything else by the agent of the instance', async () => {
    const client = await someone();
    await client.say('agent:helper:desk', 'who is there?');
    expect(lastCall('who is there?').messages[0].content).toBe('You are the helper.');
    expect((await describeSession(client, 'agent:helper:desk')).agentId).toBe('helper');
    await client.say('plain', 'and here?');
    expect((await describeSession(client, 'plain')).agentId).toBe('main');
  });

  test.each(['agent:nobody:main', 'agent::main'])(
    '%s names no agent that may be used, for every method',
    async (key) => {
      const client = await someone();
      for (const [method, params] of [
        ['chat.send', { sessionKey: key, message: 'x', idempotencyKey: 'k' }],
        ['chat.history', { sessionKey: key }],
        ['chat.startup', { sessionKey: key }],
        ['chat.abort', { sessionKey: key }],
        ['chat.message.get', { sessionKey: key, messageId: '0123abcd-1' }],
        ['artifacts.download', { sessionKey: key, artifactId: '0123abcd-1.0' }],
        ['sessions.describe', { key }],
        ['sessions.create', { key }],
        ['sessions.patch', { key, label: 'x' }],
        ['sessions.reset', { key }],
        ['sessions.delete', { key }],
        ['sessions.abort', { key }],
        ['sessions.messages.subscribe', { key }],
        ['sessions.messages.unsubscribe', { key }],
      ] as const) {
        const { error } = await client.ask(method, params);
        expect(error, method).toMatchObject({
          code: 'INVALID_REQUEST',
          details: { code: 'UNKNOWN_AGENT_ID' },
        });
      }
    },
  );

  test('512 characters of any script are a key; case and spaces matter', async () => {
    const client = await someone();
    const long = '会'.repeat(512);
    await client.say(long, 'long key');
    await client.say('Case', 'upper');
    expect(await historyOf(client, long)).toHaveLength(2);
    expect(await historyOf(client, 'case')).toEqual([]);
    expect(await historyOf(client, 'Case ')).toEqual([]);
  });
});

describe('instances', () => {
  test('that are declared are bound to their agent, others are refused', async () => {
    const bound = await startGateway({
      config: testConfig({
        gateway: { instances: { 'i-main': 'main', 'i-helper': 'helper' } },
        entries: { main: {}, helper: {} },
      }),
    });
    const client = await connectClient({ port: bound.port, instance: 'i-helper' });
    expect(client.hello.snapshot.sessionDefaults).toMatchObject({
      defaultAgentId: 'helper',
      mainSessionKey: 'agent:helper:main',
    });
    const { error } = await client.ask('sessions.create', { key: 'agent:main:x' });
    expect(error).toMatchObject({ details: { code: 'UNKNOWN_AGENT_ID', agentId: 'main' } });
    for (const instance of ['i-unknown', undefined]) {
      const attempt = connectClient({ port: bound.port, ...(instance && { instance }) });
      await expect(attempt).rejects.toMatchObject({ message: 'unauthorized' });
    }
  });

  test('that are not declared are all served, each apart from the others', async () => {
    const user = `both-${crypto.randomUUID()}`;
    const one = await someone({ user, instance: 'oc-1' });
    const two = await someone({ user, instance: 'oc-2' });
    const none = await someone({ user });
    const byName = await someone({ user, instance: 'default' });
    await one.say('main', 'only in one');
    await none.say('main', 'only in default');
    expect(await historyOf(two, 'main')).toEqual([]);
    expect(await historyOf(byName, 'main')).toEqual(await historyOf(none, 'main'));
    expect((await historyOf(one, 'main'))[0]).toBe('only in one');
  });
});

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
    upstream.when(model('mock-2'), events(role(), text('two here'), finish('stop'), DONE));
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
    upstream.when(says('run until reset'), events(role(), text('…'), never.promise));
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
    upstream.when(says('run until deleted'), events(role(), text('…'), never.promise));
    const client = await someone();
    const send = { sessionKey: 'main', message: 'run until deleted', idempotencyKey: 'd1' };
    await client.request('chat.send', send);
    await client.event('chat', (each) => each.state === 'delta');
    await client.request('sessions.delete', { key: 'main' });
    const end = await client.event('chat', (each) => isTerminal(each.state));
    expect(end.state).toBe('aborted');
    const call = upstream.requests.find((each) => each.bodyText.includes('run until deleted'));
    expect(await call?.closed).toBe('dropped');
  });
});

describe('stopping without waiting for the acknowledgement', () => {
  test.each([
    ['chat.abort', { sessionKey: 'main' }],
    ['chat.abort', { sessionKey: 'main', runId: 'eager' }],
    ['sessions.abort', { key: 'main' }],
  ])('%s %j right behind a send stops that send', async (method, params) => {
    const never = gate();
    upstream.when(says('eager'), events(role(), text('x'), never.promise));
    const client = await someone();
    const send = { sessionKey: 'main', message: 'eager', idempotencyKey: 'eager' };
    const [sent, stopped] = await Promise.all([
      client.request('chat.send', send),
      client.request(method, params),
    ]);
    expect(sent.status).toBe('started');
    expect(stopped.runIds).toEqual(['eager']);
    const end = await client.event('chat', (each) => isTerminal(each.state));
    expect(end).toMatchObject({ runId: 'eager', state: 'aborted' });
    expect((await describeSession(client, 'main')).hasActiveRun).toBe(false);
  });

  test('sessions.abort finds a run by its id alone', async () => {
    const never = gate();
    upstream.when(says('by id'), events(role(), text('x'), never.promise));
    const client = await someone();
    const send = { sessionKey: 'side', message: 'by id', idempotencyKey: 'by-id' };
    await client.request('chat.send', send);
    expect(await client.request('sessions.abort', { runId: 'by-id' })).toEqual({
      ok: true,
      abortedRunId: 'by-id',
      runIds: ['by-id'],
      status: 'aborted',
    });
    expect(await client.request('sessions.abort', { runId: 'by-id' })).toMatchObject({
      abortedRunId: null,
      status: 'no-active-run',
    });
  });
});

describe('staleness', () => {
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
    const calls = upstream.requests.filter((each) => each.bodyText.includes('Plan for 東京'));
    expect(calls).toHaveLength(2);
  });
});

describe('subscriptions', () => {
  const changes = (client: Client) =>
    client.frames.filter((frame) => frame.event === 'sessions.changed').map((each) => each.payload);

  test('sessions.changed tells of every change, with the row as it is then', async () => {
    const user = `watch-${crypto.randomUUID()}`;
    const [watching, acting, idle] = await Promise.all([
      someone({ user }),
      someone({ user }),
      someone({ user }),
    ]);
    const list = await watching.request('sessions.subscribe', { limit: 10 });
    expect(list).toMatchObject({ subscribed: true, list: { count: 0, sessions: [] } });
    await acting.say('main', 'hello');
    await acting.request('sessions.patch', { key: 'main', label: 'Named' });
    await acting.request('sessions.reset', { key: 'main' });
    await acting.request('sessions.delete', { key: 'main' });
    await watching.event('sessions.changed', (each) => each.reason === 'delete');
    const told = changes(watching);
    expect(told.map((each) => each.reason)).toEqual([
      'create',
      'run-start',
      'run-end',
      'patch',
      'reset',
      'delete',
    ]);
    expect(told[1].session.hasActiveRun).toBe(true);
    expect(told[2].session).toMatchObject({ hasActiveRun: false, activeRunIds: [] });
    expect(told[3].session.label).toBe('Named');
    expect(told[5].session).toBeNull();
    expect(changes(idle)).toEqual([]);
  });

  test('are bounded: a connection watches the messages of a thousand sessions at most', async () => {
    const client = await someone();
    const watch = (n: number) => client.ask('sessions.messages.subscribe', { key: `k${n}` });
    const replies = await Promise.all(Array.from({ length: 1_000 }, (_, n) => watch(n)));
    expect(replies.every((each) => each.ok)).toBe(true);
    expect((await watch(1_000)).error.code).toBe('INVALID_REQUEST');
    expect((await watch(7)).ok).toBe(true);
    await client.request('sessions.messages.unsubscribe', { key: 'k7' });
    expect((await watch(1_000)).ok).toBe(true);
  });

  test('session.message tells of the messages of one session, until unsubscribed', async () => {
    const client = await someone();
    await client.request('sessions.messages.subscribe', { key: 'main' });
    await client.say('main', 'heard');
    await client.say('side', 'not heard');
    const unsubscribed = await client.request('sessions.messages.unsubscribe', { key: 'main' });
    expect(unsubscribed).toEqual({ subscribed: false, key: 'agent:main:main' });
    await client.say('main', 'not heard either');
    const told = client.frames.filter((frame) => frame.event === 'session.message');
    expect(told.map((frame) => messageText(frame.payload.message))).toEqual([
      'heard',
      'You said: heard',
    ]);
    const { messages } = await client.request('chat.history', { sessionKey: 'main', limit: 4 });
    expect(told.map((frame) => frame.payload.message)).toEqual(messages.slice(0, 2));
  });
});

describe('what is sent behind a reset, or a deletion, in the same instant', () => {
  test.each(['sessions.reset', 'sessions.delete'])(
    '%s: lands in the new conversation',
    async (method) => {
      const client = await someone();
      const hold = gate();
      const marker = crypto.randomUUID();
      upstream.when(
        says(marker),
        events(role(), text('never ends'), hold.promise, finish('stop'), DONE),
      );
      const key = 'agent:main:main';
      await client.request('chat.send', {
        sessionKey: key,
        message: marker,
        idempotencyKey: 'old',
      });
      await client.event('chat', (each) => each.runId === 'old' && each.state === 'delta');
      const frames = await Promise.all([
        client.ask('chat.send', { sessionKey: key, message: 'before', idempotencyKey: 'before' }),
        client.ask(method, { key }),
        client.ask('chat.send', { sessionKey: key, message: 'behind', idempotencyKey: 'behind' }),
        client.ask('chat.send', { sessionKey: key, message: 'last', idempotencyKey: 'last' }),
      ]);
      expect(frames.map((frame) => frame.ok)).toEqual([true, true, true, true]);
      const end = async (runId: string) =>
        (await client.event('chat', (each) => each.runId === runId && isTerminal(each.state)))
          .state;
      expect(await Promise.all(['old', 'before', 'behind', 'last'].map(end))).toEqual([
        'aborted',
        'aborted',
        'final',
        'final',
      ]);
      const said = await historyOf(client, key);
      expect(said.filter((line) => !line.startsWith('You said'))).toEqual(['behind', 'last']);
      hold.open();
    },
  );
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

test('chat.send to one agent under the key of another is refused', async () => {
  const client = await someone();
  const send = { sessionKey: 'agent:main:main', message: 'x', idempotencyKey: 'r' };
  const other = await client.ask('chat.send', { ...send, agentId: 'helper' });
  expect(other.error).toMatchObject({
    code: 'INVALID_REQUEST',
    message: 'invalid chat.send params: at /agentId: the key belongs to the agent "main"',
  });
  const nobody = await client.ask('chat.send', { ...send, agentId: 'nobody' });
  expect(nobody.error.details.code).toBe('UNKNOWN_AGENT_ID');
  expect(await client.request('chat.send', { ...send, agentId: 'main' })).toMatchObject({
    status: 'started',
  });
});
