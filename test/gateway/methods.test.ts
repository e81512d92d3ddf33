/** What is served beside conversations: the catalogue of agents and models, health, oneself, notes. */

import { UsersSelfResultSchema } from '@openclaw/gateway-protocol';
import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Client,
  connectClient,
  connectParams,
  type Json,
  openClient,
} from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway, startGateway } from '../support/gateway.ts';
import { startOpenAiUpstream, type Upstream } from '../support/upstream/openai.ts';

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  const config = testConfig({
    upstream: upstream.url,
    gateway: {
      instances: { 'shop-1': 'shop', 'desk-1': 'main' },
      auth: {
        mode: 'trusted-proxy',
        trustedProxy: { allowLoopback: true },
        identityScopes: { root: ['operator.admin'] },
      },
    },
    defaults: { contextTokens: 9_000 },
    entries: {
      main: {},
      shop: {
        name: 'Shop assistant',
        identity: { name: 'Shoppy', emoji: '🛒' },
        model: { primary: 'mock/mock-2', fallbacks: ['mock/mock-1'] },
      },
    },
  });
  gateway = await shareGateway({ config });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const someone = (options: object = {}) =>
  connectClient({
    port: gateway.port,
    user: `someone-${crypto.randomUUID()}`,
    instance: 'desk-1',
    ...options,
  });

describe('the catalogue', () => {
  test('agents.list names the one agent of the instance, with its models', async () => {
    const client = await someone({ instance: 'shop-1' });
    expect(await client.request('agents.list')).toEqual({
      defaultId: 'shop',
      mainKey: 'main',
      scope: 'per-sender',
      agents: [
        {
          id: 'shop',
          name: 'Shoppy',
          identity: { name: 'Shoppy', emoji: '🛒' },
          model: { primary: 'mock/mock-2', fallbacks: ['mock/mock-1'] },
        },
      ],
    });
  });

  test('agent.identity.get tells of the agent of the instance, and of no other', async () => {
    const client = await someone({ instance: 'shop-1' });
    const shop = { agentId: 'shop', name: 'Shoppy', emoji: '🛒' };
    expect(await client.request('agent.identity.get')).toEqual(shop);
    expect(await client.request('agent.identity.get', { agentId: 'shop' })).toEqual(shop);
    const missing = await client.ask('agent.identity.get', { agentId: 'nobody' });
    const foreign = await client.ask('agent.identity.get', { agentId: 'main' });
    expect(missing.error).toEqual({
      code: 'INVALID_REQUEST',
      message: 'unknown agent id "nobody"',
      details: { code: 'UNKNOWN_AGENT_ID', agentId: 'nobody' },
    });
    expect(JSON.stringify(foreign.error).replaceAll('main', 'nobody')).toBe(
      JSON.stringify(missing.error),
    );
  });

  test('models.list tags the model that answers by default, and chat.metadata repeats it', async () => {
    const client = await someone({ instance: 'shop-1' });
    const { models } = await client.request('models.list', { view: 'configured' });
    expect(models.map((each: Json) => [each.provider, each.id, each.tags])).toEqual([
      ['mock', 'mock-1', undefined],
      ['mock', 'mock-2', ['default']],
    ]);
    expect(models[0]).toMatchObject({ input: ['text', 'image'], available: true });
    expect(models[1]).toMatchObject({ input: ['text'] });
    expect(await client.request('chat.metadata')).toEqual({ models, commands: [] });
  });

  test('commands.list and question.list are empty', async () => {
    const client = await someone();
    expect(await client.request('commands.list', { agentId: 'main' })).toEqual({ commands: [] });
    expect(await client.request('question.list')).toEqual({ questions: [] });
  });
});

describe('about the gateway and oneself', () => {
  test('health and status', async () => {
    const client = await someone();
    expect(await client.request('health')).toEqual({
      ok: true,
      ts: expect.any(Number),
      durationMs: expect.any(Number),
      defaultAgentId: 'main',
    });
    await client.request('sessions.create', { key: 'one' });
    expect(await client.request('status')).toEqual({
      runtimeVersion: client.hello.server.version,
      uptimeMs: expect.any(Number),
      modelConfigured: true,
      sessions: { count: 1, defaults: { model: 'mock/mock-1' } },
    });
  });

  test.each([
    ['short', 'u-7'],
    ['as long as a proxy may send', `u-${'x'.repeat(254)}`],
  ])('users.self is the user whom the proxy named, for an id that is %s', async (_, user) => {
    const client = await someone({ user });
    const result = await client.request('users.self');
    expect(result.profile.displayName).toBe(user);
    // The package publishes this one in its module only, not in its schema file.
    const validate = new Ajv({ strict: false }).compile(UsersSelfResultSchema);
    expect(validate(result), JSON.stringify(validate.errors)).toBe(true);
  });

  test('users.self gives two long ids with one beginning two profiles', async () => {
    const ids = await Promise.all(
      ['a', 'b'].map(async (end) => {
        const client = await someone({ user: `${'x'.repeat(200)}${end}` });
        return (await client.request('users.self')).profile.id;
      }),
    );
    expect(ids[0]).not.toBe(ids[1]);
  });
});

describe('chat.inject', () => {
  const root = () => someone({ user: 'root' });
  let client: Client;
  const key = () => `agent:main:notes-${crypto.randomUUID()}`;

  test('adds a labelled note of the assistant, without a run, and tells who watches', async () => {
    client = await root();
    const sessionKey = key();
    await client.say(sessionKey, 'hello');
    await client.request('sessions.messages.subscribe', { key: sessionKey });
    const reply = await client.request('chat.inject', {
      sessionKey,
      message: 'A person takes over.',
      label: 'Support',
    });
    const told = await client.event('session.message');
    const { messages } = await client.request('chat.history', { sessionKey });
    expect(messages).toHaveLength(3);
    expect(messages[2]).toMatchObject({
      role: 'assistant',
      content: [{ type: 'text', text: 'A person takes over.' }],
      __openclaw: { id: reply.messageId, seq: 3, label: 'Support' },
    });
    expect(told).toMatchObject({ sessionKey, messageId: reply.messageId, message: messages[2] });
  });

  test('is part of what the model is told next', async () => {
    client = await root();
    const sessionKey = key();
    await client.say(sessionKey, 'hello');
    await client.request('chat.inject', { sessionKey, message: 'It is sold out.' });
    await client.say(sessionKey, 'so is it in stock?');
    const call = upstream.requests.findLast((each) => each.bodyText.includes('in stock?'));
    expect(call?.bodyText).toContain('It is sold out.');
  });

  test('makes no session', async () => {
    client = await root();
    const sessionKey = key();
    const { error } = await client.ask('chat.inject', { sessionKey, message: 'note' });
    expect(error).toMatchObject({ details: { code: 'SESSION_NOT_FOUND' } });
    expect(await client.request('sessions.describe', { key: sessionKey })).toEqual({
      session: null,
    });
  });

  test('needs operator.admin', async () => {
    client = await someone();
    const { error } = await client.ask('chat.inject', { sessionKey: 'main', message: 'note' });
    expect(error).toMatchObject({ code: 'FORBIDDEN', details: { code: 'MISSING_SCOPE' } });
  });
});

describe('parameters', () => {
  test.each([
    ['chat.send', {}, "must have required property 'sessionKey'"],
    [
      'chat.send',
      { sessionKey: 'main', message: 7, idempotencyKey: 'k' },
      'at /message: must be string',
    ],
    ['chat.send', { sessionKey: 'main', message: 'x', idempotencyKey: '' }, 'at /idempotencyKey'],
    ['chat.send', { sessionKey: '', message: 'x', idempotencyKey: 'k' }, 'at /sessionKey'],
    [
      'chat.send',
      { sessionKey: 'k'.repeat(513), message: 'x', idempotencyKey: 'k' },
      'at /sessionKey',
    ],
    [
      'chat.send',
      { sessionKey: 'main', message: '  ', idempotencyKey: 'k' },
      'a message or an attachment',
    ],
    [
      'chat.send',
      { sessionKey: 'main', message: 'x', idempotencyKey: 'k', queueMode: 'now' },
      'at /queueMode',
    ],
    [
      'chat.send',
      { sessionKey: 'main', message: 'x', idempotencyKey: 'k', timeoutMs: -1 },
      'at /timeoutMs',
    ],
    ['chat.history', { sessionKey: 'main', limit: 0 }, 'at /limit'],
    ['chat.history', { sessionKey: 'main', limit: 1001 }, 'at /limit'],
    ['chat.history', { sessionKey: 'main', offset: -1 }, 'at /offset'],
    ['chat.history', { sessionKey: 'main', maxChars: 0 }, 'at /maxChars'],
    ['chat.abort', { runId: 'k' }, "must have required property 'sessionKey'"],
    ['chat.message.get', { sessionKey: 'main' }, "must have required property 'messageId'"],
    ['sessions.patch', { key: 'main', archived: 'yes' }, 'at /archived: must be boolean'],
    ['sessions.patch', { key: 'main', label: '' }, 'at /label'],
    ['sessions.list', { limit: 0 }, 'at /limit'],
    ['sessions.list', { archived: 'none' }, 'at /archived'],
    ['sessions.describe', {}, "must have required property 'key'"],
    ['sessions.create', { label: 'x'.repeat(513) }, 'at /label'],
  ])('of %s %j are refused: %s', async (method, params, why) => {
    const client = await someone();
    const { ok, error } = await client.ask(method, params);
    expect(ok).toBe(false);
    expect(error.code).toBe('INVALID_REQUEST');
    expect(error.message).toContain(`invalid ${method} params: `);
    expect(error.message).toContain(why);
  });

  test('that the gateway does not know are ignored', async () => {
    const client = await someone();
    const params = { key: 'main', agentId: 'main', fromTheFuture: { deep: [1] } };
    expect(await client.request('sessions.describe', params)).toEqual({ session: null });
  });
});

describe('without a model', () => {
  const { agents: _, models: __, ...noModel } = testConfig();

  test('hello-ok says so, and a send says which key to set', async () => {
    const bare = await startGateway({ config: noModel });
    const client = await openClient({ port: bare.port, user: 'alice' });
    const hello = await client.request('connect', connectParams());
    expect(hello.snapshot.sessionDefaults.modelConfigured).toBe(false);
    const send = { sessionKey: 'main', message: 'anyone?', idempotencyKey: 'k' };
    const { error } = await client.ask('chat.send', send);
    expect(error).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('agents.defaults.model'),
      details: { code: 'MODEL_NOT_CONFIGURED', configKey: 'agents.defaults.model' },
    });
    expect(error.retryable).toBeUndefined();
    // Nothing was stored that would wait for an answer for ever.
    expect(await client.request('sessions.describe', { key: 'main' })).toEqual({ session: null });
    expect(await client.request('status')).toMatchObject({ modelConfigured: false });
    const { agents } = await client.request('agents.list');
    expect(agents[0].model).toBeUndefined();
    const created = await client.request('sessions.create', { key: 'k', message: 'anyone?' });
    expect(created).toMatchObject({
      ok: true,
      runStarted: false,
      runError: { code: 'UNAVAILABLE', details: { code: 'MODEL_NOT_CONFIGURED' } },
    });
  });
});
