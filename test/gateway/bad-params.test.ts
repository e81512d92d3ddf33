/** Well-formed requests with ill params, and text that is no text: documented errors, and nobody else notices. */

import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectClient, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';
import { undisturbed } from '../support/neighbour.ts';
import {
  events,
  gate,
  role,
  says,
  startOpenAiUpstream,
  text,
  type Upstream,
} from '../support/upstream/openai.ts';

const LONE = '\ud800';

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  gateway = await shareGateway({ config: testConfig({ upstream: upstream.url }) });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const connect = () => connectClient({ port: gateway.port, user: `mallory-${crypto.randomUUID()}` });
const meanwhile = (misbehave: () => Promise<void>) =>
  undisturbed({ port: gateway.port, upstream }, misbehave);
const messageText = (message: Json) => message.content.map((block: Json) => block.text).join('');

describe('params', () => {
  const send = { sessionKey: 'main', message: 'hi', idempotencyKey: 'k' };

  test.each<[string, object, string]>([
    ['chat.send', {}, "must have required property 'sessionKey'"],
    ['chat.send', { ...send, message: 42 }, 'at /message: must be string'],
    ['chat.send', { ...send, message: ' \n ' }, 'a message or an attachment is required'],
    ['chat.send', { ...send, sessionKey: '' }, 'at /sessionKey: must not have fewer'],
    ['chat.send', { ...send, idempotencyKey: '' }, 'at /idempotencyKey: must not have fewer'],
    ['chat.send', { ...send, idempotencyKey: 'k'.repeat(257) }, 'at /idempotencyKey: must not'],
    ['chat.send', { ...send, timeoutMs: -1 }, 'at /timeoutMs: must be >= 0'],
    ['chat.send', { ...send, attachments: {} }, 'at /attachments: must be array'],
    ['chat.send', { ...send, queueMode: 'whenever' }, 'at /queueMode: must be equal to one of'],
    ['chat.history', { sessionKey: 'main', limit: 0 }, 'at /limit: must be >= 1'],
    ['chat.history', { sessionKey: 'main', limit: 1e9 }, 'at /limit: must be <= 1000'],
    ['chat.history', { sessionKey: 'main', limit: 1.5 }, 'at /limit: must be integer'],
    ['chat.history', { sessionKey: ['main'] }, 'at /sessionKey: must be string'],
    ['sessions.list', { offset: -1 }, 'at /offset: must be >= 0'],
    ['sessions.list', { offset: 1e300 }, 'at /offset: must be <= 9007199254740991'],
    ['sessions.list', { limit: 1e300 }, 'at /limit: must be <= 9007199254740991'],
    ['sessions.patch', { key: 'main', pinned: 'yes' }, 'at /pinned: must be boolean'],
  ])('%s %j is refused with what is wrong', async (method, params, problem) => {
    const client = await connect();
    const { error } = await client.ask(method, params);
    expect(error.code).toBe('INVALID_REQUEST');
    expect(error.message).toMatch(new RegExp(`^invalid ${method} params: `));
    expect(error.message).toContain(problem);
    expect(await client.request('sessions.list', {})).toMatchObject({ totalCount: 0 });
  });

  test('a session key of 10,000 characters is refused by every method that takes one', async () => {
    await meanwhile(async () => {
      const client = await connect();
      const endless = 'k'.repeat(10_000);
      const params = { key: endless, sessionKey: endless, message: 'hi', idempotencyKey: 'k' };
      const taking = client.hello.features.methods.filter((name: string) =>
        /^chat\.(?!metadata)|^sessions\.(?!list|subscribe)/.test(name),
      );
      expect(taking.length).toBeGreaterThan(12);
      for (const method of taking) {
        const { error } = await client.ask(method, { ...params, messageId: 'm' });
        expect([method, error?.code]).toEqual([
          method,
          method === 'chat.inject' ? 'FORBIDDEN' : 'INVALID_REQUEST',
        ]);
        expect(error.message.length).toBeLessThan(300);
      }
    });
  });

  test('random ones never meet a bug, and never hurt anybody', async () => {
    const nasty = fc.oneof(
      fc.constantFrom(
        'main',
        '__proto__',
        'constructor',
        LONE,
        `a${LONE}b`,
        '\0',
        'agent:',
        'agent::',
      ),
      fc.constantFrom('agent:main:', 'agent:__proto__:x', 'x'.repeat(600), '%', '_', '\u202e', ''),
      fc.string({ unit: 'binary', maxLength: 30 }),
    );
    const value = fc.oneof(
      { weight: 3, arbitrary: nasty },
      fc.integer({ min: -5, max: 5 }),
      fc.constantFrom(Number.MAX_SAFE_INTEGER, -1e308, 0.5, true, false, null),
      fc.array(nasty, { maxLength: 3 }),
      fc.dictionary(fc.string({ maxLength: 5 }), nasty, { maxKeys: 3 }),
    );
    const fields =
      'sessionKey key message idempotencyKey runId messageId limit offset label model search agentId ' +
      'attachments maxChars archived expectedLeafEntryId sessionId expectedSessionId cursor thinking ' +
      'pinned activeMinutes timeoutMs queueMode maxBytes spawnedBy displayName task';
    const sane = { sessionKey: 'main', key: 'main', message: 'hi', messageId: 'm' };
    const params = fc
      .dictionary(fc.constantFrom(...fields.split(' ')), value, { maxKeys: 4 })
      .map((spoilt) => ({ ...sane, idempotencyKey: crypto.randomUUID(), ...spoilt }));

    await meanwhile(async () => {
      const client = await connect();
      const method = fc.constantFrom<string>(...client.hello.features.methods);
      await fc.assert(
        fc.asyncProperty(method, params, async (name, given) => {
          const { ok, error } = await client.ask(name, given);
          if (ok) return;
          expect(error.details?.code).not.toBe('INTERNAL');
          expect(['INVALID_REQUEST', 'FORBIDDEN', 'UNAVAILABLE']).toContain(error.code);
          expect(error.message).not.toMatch(/node_modules|\.ts\b|\n\s+at /);
        }),
        { numRuns: 600 },
      );
      expect(gateway.logs.filter((line) => line['event'] === 'request_failed')).toEqual([]);
      expect(gateway.logs.filter((line) => line['event'] === 'run_trouble')).toEqual([]);
    });
  });
});

describe('text that is no text', () => {
  beforeAll(() => upstream.when(says('hold'), events(role(), text('x'), gate().promise)));

  test('lone surrogates in a message become U+FFFD: on the wire, stored, and for the model', async () => {
    const client = await connect();
    await client.say('main', `odd ${LONE}x\udc00`, 'odd');
    const { messages } = await client.request('chat.history', { sessionKey: 'main' });
    expect(messages.map(messageText)).toEqual(['odd \ufffdx\ufffd', 'You said: odd \ufffdx\ufffd']);
    const asked = upstream.requests.findLast((each) => each.bodyText.includes('odd '));
    expect(asked?.bodyText.isWellFormed()).toBe(true);
    expect(asked?.bodyText).not.toMatch(/\\ud800/i);
  });

  test('a lone surrogate in a session key names one session, whoever asks for it', async () => {
    const client = await connect();
    await client.say(`key${LONE}`, 'hello');
    const { messages, sessionKey } = await client.request('chat.history', {
      sessionKey: `key${LONE}`,
    });
    expect(messages).toHaveLength(2);
    expect(sessionKey).toBe('key\ufffd');
    const { sessions } = await client.request('sessions.list');
    expect(sessions.map((each: Json) => each.key)).toEqual(['key\ufffd']);
  });

  test('a lone surrogate in a run id: the send is idempotent, and the run can be stopped', async () => {
    const client = await connect();
    const runId = `run${LONE}`;
    const params = { sessionKey: 'main', message: 'hold', idempotencyKey: runId };
    const ack = await client.request('chat.send', params);
    expect(ack).toMatchObject({ runId: 'run\ufffd', status: 'started' });
    expect(await client.request('chat.send', params)).toMatchObject({ status: 'in_flight' });
    const aborted = await client.request('chat.abort', { sessionKey: 'main', runId });
    expect(aborted).toEqual({ ok: true, aborted: true, runIds: ['run\ufffd'] });
  });

  test('a lone surrogate in the idempotency key of a new session: the session is made once', async () => {
    const client = await connect();
    const params = { idempotencyKey: `new${LONE}`, message: 'hold' };
    const made = await client.request('sessions.create', params);
    expect(made).toMatchObject({ runStarted: true, runId: 'new\ufffd' });
    const again = await client.request('sessions.create', params);
    expect(again).toMatchObject({ sessionId: made.sessionId, status: 'in_flight' });
    const stopped = await client.request('sessions.abort', { runId: `new${LONE}` });
    expect(stopped).toMatchObject({ status: 'aborted', abortedRunId: 'new\ufffd' });
    const { messages } = await client.request('chat.history', { sessionKey: made.key });
    expect(messages.map((each: Json) => each.role)).toEqual(['user', 'assistant']);
  });

  test('NULs are kept, and end nothing: neither a key nor a text', async () => {
    const client = await connect();
    await client.say('k\0one', 'a\0b');
    await client.say('k\0two', 'c\0d');
    const one = await client.request('chat.history', { sessionKey: 'k\0one' });
    expect(one.messages.map(messageText)).toEqual(['a\0b', 'You said: a\0b']);
    const two = await client.request('chat.history', { sessionKey: 'k\0two' });
    expect(two.messages.map(messageText)).toEqual(['c\0d', 'You said: c\0d']);
    expect((await client.request('chat.history', { sessionKey: 'k' })).messages).toEqual([]);
  });

  test.each(['__proto__', 'constructor', 'toString'])('%s is a key like any other', async (key) => {
    const client = await connect();
    expect(await client.request('sessions.describe', { key })).toEqual({ session: null });
    await client.say(key, 'hello');
    expect((await client.request('chat.history', { sessionKey: key })).messages).toHaveLength(2);
  });
});
