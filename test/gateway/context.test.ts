/** What the model is told of the conversation: seen from the other side, where the requests arrive. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectClient, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';
import {
  DONE,
  events,
  failure,
  finish,
  gate,
  role,
  says,
  startOpenAiUpstream,
  text,
  type Upstream,
} from '../support/upstream/openai.ts';

/** Holds a turn of 200 + 210 ASCII characters twice, but not three times, beside the next message. */
const CONTEXT_TOKENS = 300;
const SYSTEM = 'You answer in one line.';

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  gateway = await shareGateway({
    config: testConfig({
      upstream: upstream.url,
      defaults: { systemPrompt: SYSTEM, contextTokens: CONTEXT_TOKENS },
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const someone = () => connectClient({ port: gateway.port, user: `mind-${crypto.randomUUID()}` });

/** The messages of the request whose last user message begins with `start`, system prompt apart. */
function told(start: string): { system: string; messages: Json[] } {
  const request = upstream.requests.findLast((each) => {
    const { messages } = each.body as Json;
    return contentOf(messages.at(-1)).startsWith(start);
  });
  if (!request) throw new Error(`no request ends with "${start}…"`);
  const [system, ...messages] = (request.body as Json).messages;
  expect(system.role).toBe('system');
  return { system: system.content, messages };
}

const contentOf = (message: Json): string =>
  typeof message.content === 'string'
    ? message.content
    : message.content.map((part: Json) => part.text).join('');

const starts = (messages: readonly Json[]) => messages.map((each) => contentOf(each).slice(0, 13));

/** `<name> <user>…` of `length` characters. */
const long = (name: string, length: number, filler = 'x') => name.padEnd(length, filler);

describe('the context', () => {
  test('begins with the system prompt and holds the whole conversation while it fits', async () => {
    const client = await someone();
    const tag = crypto.randomUUID();
    await client.say('main', `${tag} one`);
    await client.say('main', `${tag} two`);
    const { system, messages } = told(`${tag} two`);
    expect(system).toBe(SYSTEM);
    expect(messages.map((each) => [each.role, contentOf(each)])).toEqual([
      ['user', `${tag} one`],
      ['assistant', `You said: ${tag} one`],
      ['user', `${tag} two`],
    ]);
  });

  test('drops the oldest turns first, and only whole ones', async () => {
    const client = await someone();
    const tag = crypto.randomUUID().slice(0, 8);
    for (const n of [1, 2, 3, 4, 5]) await client.say('main', long(`${tag} ${n} `, 200));
    const { messages } = told(`${tag} 5`);
    expect(messages.map((each) => each.role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
    ]);
    expect(starts(messages).filter((_, index) => index % 2 === 0)).toEqual(
      [3, 4, 5].map((n) => long(`${tag} ${n} `, 13)),
    );
    expect(contentOf(messages[1])).toBe(`You said: ${contentOf(messages[0])}`);
  });

  test('goes no further back than a turn that does not fit, even if an older one would', async () => {
    const client = await someone();
    const tag = crypto.randomUUID().slice(0, 8);
    await client.say('main', `${tag} small`);
    await client.say('main', long(`${tag} huge`, 2_000));
    await client.say('main', `${tag} now`);
    expect(told(`${tag} now`).messages).toHaveLength(1);
  });

  test('counts a Chinese character for a token, so that it does not overflow', async () => {
    const client = await someone();
    const tag = crypto.randomUUID().slice(0, 8);
    for (const n of [1, 2, 3]) await client.say('main', long(`${tag} ${n} `, 60, '会'));
    // One turn takes about 2 × 50 tokens more than its ASCII; two of them would leave no room.
    expect(told(`${tag} 3`).messages).toHaveLength(5);
    for (const n of [4, 5]) await client.say('main', long(`${tag} ${n} `, 120, '会'));
    expect(told(`${tag} 5`).messages).toHaveLength(1);
  });

  test('always holds the message itself, however long', async () => {
    const client = await someone();
    const tag = crypto.randomUUID().slice(0, 8);
    await client.say('main', `${tag} before`);
    const message = long(`${tag} long`, 10_000);
    await client.say('main', message);
    expect(told(`${tag} long`).messages.map(contentOf)).toEqual([message]);
  });

  test('keeps what was said before a stop, and leaves out an answer that never began', async () => {
    const never = gate();
    const tag = crypto.randomUUID().slice(0, 8);
    upstream.when(says(`${tag} stop`), events(role(), text('half of'), never.promise));
    upstream.when(says(`${tag} fail`), failure(400, 'invalid_request_error'));
    const client = await someone();
    const send = { sessionKey: 'main', message: `${tag} stop`, idempotencyKey: tag };
    await client.request('chat.send', send);
    await client.event('chat', (each) => each.state === 'delta');
    await client.request('chat.abort', { sessionKey: 'main' });
    expect((await client.say('main', `${tag} fail`)).state).toBe('error');
    await client.say('main', `${tag} after`);
    expect(told(`${tag} after`).messages.map(contentOf)).toEqual([
      `${tag} stop`,
      'half of',
      `${tag} fail`,
      `${tag} after`,
    ]);
  });

  test('of a queued message holds the answers before it, and none of what waits behind it', async () => {
    const hold = gate();
    const tag = crypto.randomUUID().slice(0, 8);
    upstream.when(
      says(`${tag} a`),
      events(role(), text('answer a'), hold.promise, finish('stop'), DONE),
    );
    const client = await someone();
    for (const name of ['a', 'b', 'c']) {
      const message = `${tag} ${name}`;
      await client.request('chat.send', { sessionKey: 'main', message, idempotencyKey: message });
    }
    hold.open();
    await client.event('chat', (each) => each.runId === `${tag} c` && each.state === 'final');
    expect(told(`${tag} b`).messages.map(contentOf)).toEqual([`${tag} a`, 'answer a', `${tag} b`]);
    expect(told(`${tag} c`).messages).toHaveLength(5);
  });

  test('of one session holds nothing of another', async () => {
    const client = await someone();
    const tag = crypto.randomUUID().slice(0, 8);
    await client.say('main', `${tag} in main`);
    await client.say('side', `${tag} in side`);
    expect(told(`${tag} in side`).messages).toHaveLength(1);
  });
});
