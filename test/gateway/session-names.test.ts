/** What names a session, and for whom: keys, agents, instances, and names that nothing has. */

import { describe, expect, test } from 'vitest';
import { connectClient, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { startGateway } from '../support/gateway.ts';
import { describeSession, historyOf, NOT_FOUND, sessionsScene } from '../support/sessions.ts';

const scene = sessionsScene();
const { someone, lastCall } = scene;

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
    const root = await connectClient({ port: scene.gateway.port, user: 'root', instance: method });
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
