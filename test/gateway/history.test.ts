/** Reading a conversation: pages without gap or double, whatever bounds them; and the context of a turn. */

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connectClient, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';
import {
  answer,
  events,
  gate,
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
  gateway = await shareGateway({ config: testConfig({ upstream: upstream.url }) });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const someone = () => connectClient({ port: gateway.port, user: `reader-${crypto.randomUUID()}` });

const sessionKey = 'agent:main:main';
const idOf = (message: Json): string => message.__openclaw.id;
const idsOf = (messages: readonly Json[]) => messages.map(idOf);
const textOf = (message: Json): string =>
  message.content.map((block: Json) => block.text ?? '').join('');

const history = (client: Client, params: object = {}) =>
  client.request('chat.history', { sessionKey, ...params });

/** Follows `nextOffset` to the beginning; the pages, newest first. */
async function walk(client: Client, params: object): Promise<Json[][]> {
  const pages: Json[][] = [];
  let offset = 0;
  for (;;) {
    const page = await history(client, { ...params, offset });
    pages.push(page.messages);
    if (!page.hasMore) {
      expect(page.nextOffset).toBeUndefined();
      return pages;
    }
    // Otherwise the walk would never end.
    expect(page.nextOffset).toBeGreaterThan(offset);
    offset = page.nextOffset;
  }
}

async function turns(client: Client, count: number, say = (n: number) => `message ${n}`) {
  for (let n = 1; n <= count; n += 1) await client.say(sessionKey, say(n));
}

describe('pages', () => {
  test('of any size hold every message once, oldest first', async () => {
    const client = await someone();
    await turns(client, 9, (n) => 'word '.repeat(n * 7));
    const { messages, totalMessages, hasMore } = await history(client, { limit: 1_000 });
    expect({ totalMessages, hasMore }).toEqual({ totalMessages: 18, hasMore: false });
    expect(messages.map((each: Json) => each.__openclaw.seq)).toEqual(
      Array.from({ length: 18 }, (_, index) => index + 1),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 20 }),
        fc.option(fc.integer({ min: 1, max: 6_000 }), { nil: undefined }),
        async (limit, maxBytes) => {
          const pages = await walk(client, { limit, ...(maxBytes && { maxBytes }) });
          expect(idsOf(pages.toReversed().flat())).toEqual(idsOf(messages));
          for (const page of pages) {
            expect(page.length).toBeLessThanOrEqual(limit);
            const bytes = Buffer.byteLength(JSON.stringify(page));
            if (maxBytes && page.length > 1) expect(bytes).toBeLessThanOrEqual(maxBytes);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test('skip nothing while answers are still to come', async () => {
    const never = gate();
    upstream.when(says('never answered'), events(role(), text('…'), never.promise));
    const client = await someone();
    await turns(client, 2);
    const queued = ['never answered', 'waits', 'waits too', 'waits as well'];
    for (const message of queued) {
      await client.request('chat.send', { sessionKey, message, idempotencyKey: message });
    }
    const all = ['message 1', 'You said: message 1', 'message 2', 'You said: message 2', ...queued];
    for (const params of [{ limit: 1 }, { limit: 3 }, { maxBytes: 1 }, { maxBytes: 1_000 }]) {
      const pages = await walk(client, params);
      expect(pages.toReversed().flat().map(textOf), JSON.stringify(params)).toEqual(all);
    }
    expect(await history(client)).toMatchObject({ totalMessages: all.length });
    await client.request('chat.abort', { sessionKey });
  });

  test('mean the same offsets before and after an answer is there', async () => {
    const hold = gate();
    upstream.when(says('in a moment'), {
      ...answer('here it is'),
      before: hold.promise,
    });
    const client = await someone();
    await turns(client, 2);
    const send = { sessionKey, message: 'in a moment', idempotencyKey: 'k' };
    await client.request('chat.send', send);
    const before = await history(client, { limit: 3 });
    hold.open();
    await client.event('chat', (each) => each.runId === 'k' && each.state === 'final');
    const rest = await history(client, { limit: 3, offset: before.nextOffset });
    expect([...rest.messages, ...before.messages].map(textOf)).toEqual([
      'message 1',
      'You said: message 1',
      'message 2',
      'You said: message 2',
      'in a moment',
    ]);
  });

  test('beyond the beginning are empty', async () => {
    const client = await someone();
    await turns(client, 1);
    expect(await history(client, { offset: 2 })).toMatchObject({ messages: [], hasMore: false });
    expect(await history(client, { offset: 9_999 })).toMatchObject({
      messages: [],
      hasMore: false,
    });
  });

  test('of a budget that no message fits hold the newest one', async () => {
    const client = await someone();
    await turns(client, 2);
    const { messages, hasMore } = await history(client, { maxBytes: 1 });
    expect(messages.map(textOf)).toEqual(['You said: message 2']);
    expect(hasMore).toBe(true);
  });

  test.each([
    ['ASCII', 'x'],
    ['Chinese', '会'],
    ['quotes, which JSON escapes', '"'],
    ['control characters', '\u0001'],
  ])('fill their budget well and never exceed it, for %s', async (_, letter) => {
    const client = await someone();
    await turns(client, 6, () => letter.repeat(500));
    const all = await history(client);
    const whole = Buffer.byteLength(JSON.stringify(all.messages));
    const { messages } = await history(client, { maxBytes: Math.floor(whole / 2) });
    expect(Buffer.byteLength(JSON.stringify(messages))).toBeLessThanOrEqual(whole / 2);
    expect(messages.length).toBeGreaterThanOrEqual(5);
  });
});

describe('a message', () => {
  test('asked for by its id stands in the middle of its page', async () => {
    const client = await someone();
    await turns(client, 8);
    const { messages } = await history(client);
    for (const [index, each] of messages.entries()) {
      const page = await history(client, { messageId: idOf(each), limit: 5 });
      expect(idsOf(page.messages)).toContain(idOf(each));
      const centred = Math.min(Math.max(index - 2, 0), messages.length - 5);
      if (index >= 2 && index < messages.length - 2) {
        expect(idsOf(page.messages)).toEqual(idsOf(messages.slice(centred, centred + 5)));
      }
    }
  });

  test('that is not there leaves the page where it would be', async () => {
    const client = await someone();
    await turns(client, 3);
    const { messages } = await history(client, { limit: 2 });
    const asked = await history(client, { limit: 2, messageId: '0123abcd-1' });
    expect(asked.messages).toEqual(messages);
  });

  test('longer than maxChars is cut and marked, never inside a character; chat.message.get has it all', async () => {
    upstream.when(says('long please'), answer('🌹'.repeat(300)));
    const client = await someone();
    await client.say(sessionKey, 'long please');
    const { messages } = await history(client, { maxChars: 101 });
    const cut = messages[1];
    expect(cut.content).toEqual([{ type: 'text', text: '🌹'.repeat(50), truncated: true }]);
    expect(cut.__openclaw.truncated).toBe(true);
    expect(messages[0].__openclaw.truncated).toBeUndefined();
    const get = { sessionKey, messageId: idOf(cut) };
    const whole = await client.request('chat.message.get', get);
    expect(whole.ok).toBe(true);
    expect(textOf(whole.message)).toBe('🌹'.repeat(300));
    expect(whole.message.__openclaw.truncated).toBeUndefined();
    const part = await client.request('chat.message.get', { ...get, maxChars: 10 });
    expect(textOf(part.message)).toBe('🌹'.repeat(5));
  });

  test('is got by its id even after a reset, and an answer to come is not', async () => {
    const never = gate();
    upstream.when(says('pending'), events(role(), text('…'), never.promise));
    const client = await someone();
    await turns(client, 1);
    const { messages } = await history(client);
    await client.request('sessions.reset', { key: sessionKey });
    const old = { sessionKey, messageId: idOf(messages[0]) };
    expect((await client.request('chat.message.get', old)).message).toEqual(messages[0]);
    await client.request('chat.send', { sessionKey, message: 'pending', idempotencyKey: 'p' });
    const [mine] = (await history(client)).messages;
    const [session, seq] = idOf(mine).split('-');
    for (const messageId of [`${session}-${Number(seq) + 1}`, `${session}-0`, 'nonsense']) {
      expect(await client.request('chat.message.get', { sessionKey, messageId })).toEqual({
        ok: false,
        unavailableReason: 'not_found',
      });
    }
    await client.request('chat.abort', { sessionKey });
  });
});
