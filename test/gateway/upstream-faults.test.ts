/** Whatever the upstream does, the run ends once, in words for people, and costs nobody else. */

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connectClient, isTerminal, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway, startGateway } from '../support/gateway.ts';
import {
  answer,
  CUT,
  DONE,
  events,
  failure,
  finish,
  gate,
  html,
  role,
  says,
  splitAt,
  startOpenAiUpstream,
  text,
  type Upstream,
} from '../support/upstream/openai.ts';

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  gateway = await shareGateway({
    config: testConfig({ upstream: upstream.url, provider: { timeoutSeconds: 1 } }),
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const alice = () => connectClient({ port: gateway.port, user: `alice-${crypto.randomUUID()}` });
const messageText = (message: Json) => message.content.map((block: Json) => block.text).join('');
const never = gate();

describe('an upstream that', () => {
  test.each([
    ['refuses the key', failure(401, 'invalid_api_key'), 'unknown', 'auth', 401],
    ['refuses the request', failure(400, 'invalid_request_error'), 'unknown', 'bad_request', 400],
    ['knows no such model', failure(404, 'model_not_found'), 'unknown', 'bad_request', 404],
    [
      'has no quota left',
      failure(429, 'rate_limit_exceeded', { headers: { 'retry-after': '60' } }),
      'rate_limit',
      'rate_limit',
      429,
    ],
    ['answers with a page of its proxy', html(502), 'unknown', 'unavailable', 502],
    ['breaks', failure(500, 'server_error'), 'unknown', 'unavailable', 500],
  ])('%s ends the run with a typed error', async (name, reply, errorKind, kind, httpStatus) => {
    upstream.when(says(name), reply);
    const client = await alice();
    const end = await client.say('main', name);
    expect(end).toMatchObject({
      state: 'error',
      errorKind,
      errorDetail: { provider: 'mock', model: 'mock-1', failoverReason: kind, httpStatus },
    });
    expect(end.errorMessage).toMatch(/\w+ .*\./);
    expect(JSON.stringify(client.frames)).not.toContain('sk-test-secret');
    expect(gateway.output()).not.toContain('sk-test-secret');
    // The failed turn stands in the transcript, where its answer would.
    const { messages } = await client.request('chat.history', { sessionKey: 'main' });
    expect(messages[1]).toMatchObject({
      role: 'assistant',
      content: [],
      errorMessage: end.errorMessage,
      errorKind,
      errorDetail: { failoverReason: kind },
    });
    expect(await client.say('main', 'and now?')).toMatchObject({ state: 'final' });
  });

  test('dies in mid-event leaves what came, marked as an error', async () => {
    upstream.when(says('die'), events(role(), text('half '), text('an '), 'data: {"choi', CUT));
    const client = await alice();
    const end = await client.say('main', 'die', 'die');
    expect(end).toMatchObject({ state: 'error', errorDetail: { failoverReason: 'unavailable' } });
    expect(client.text('die')).toBe('half an ');
    expect(messageText(end.message)).toBe('half an ');
    // What a customer complains of is found in the log, and what was said is not.
    const logged = await gateway.logged('run_failed', { runId: 'die' });
    expect(logged).toMatchObject({ kind: 'unavailable', provider: 'mock', model: 'mock-1' });
    expect(logged['user']).toMatch(/^alice-/);
    expect(JSON.stringify(logged)).not.toContain('half');
    expect(upstream.requests.filter((each) => each.bodyText.includes('"die"'))).toHaveLength(1);
  });

  test.each([
    ['never answers', { before: never.promise, body: [] }, ''],
    ['stalls before the first token', events(role(), never.promise), ''],
    ['stalls between tokens', events(role(), text('so far'), never.promise), 'so far'],
  ])('%s times out', async (name, reply, said) => {
    upstream.when(says(name), reply);
    const client = await alice();
    const end = await client.say('main', name, name);
    expect(end).toMatchObject({ state: 'error', errorKind: 'timeout' });
    expect(client.text(name)).toBe(said);
    const call = upstream.requests.find((each) => each.bodyText.includes(name));
    expect(await call?.closed).toBe('dropped');
    await gateway.logged(said === '' ? 'model_call_failed' : 'run_failed', { runId: name });
  });

  test('splits its bytes anywhere, also inside a character, is read alike', async () => {
    const whole = answer('紫罗兰 🌹 naïve');
    const cuts = Array.from({ length: 400 }, (_, index) => index * 2 + 1);
    upstream.when(says('split'), splitAt(whole, ...cuts));
    const client = await alice();
    const end = await client.say('main', 'split', 'split');
    expect(messageText(end.message)).toBe('紫罗兰 🌹 naïve');
    expect(client.text('split')).toBe('紫罗兰 🌹 naïve');
  });

  test.each([
    ['stop', 'unknown', 'without saying anything'],
    ['length', 'unknown', 'length limit'],
    ['content_filter', 'refusal', 'content filter'],
  ])('ends with %s and has said nothing: the user is told', async (reason, errorKind, words) => {
    upstream.when(says(`silence ${reason}`), events(role(), finish(reason), DONE));
    const client = await alice();
    const end = await client.say('main', `silence ${reason}`);
    expect(end).toMatchObject({ state: 'error', errorKind });
    expect(end.errorMessage).toContain(words);
    expect(await client.say('main', 'go on')).toMatchObject({ state: 'final' });
  });
});

test('a failure before the first token is tried again, and then answers', async () => {
  const client = await alice();
  let calls = 0;
  upstream.when(
    (request) => request.bodyText.includes('flaky') && ++calls < 3,
    failure(503, 'overloaded'),
  );
  expect(await client.say('main', 'flaky')).toMatchObject({ state: 'final' });
  expect(calls).toBe(3);
});

test('while one upstream call hangs, others answer', async () => {
  upstream.when(says('hang'), { before: never.promise, body: [] });
  const [slow, quick] = await Promise.all([alice(), alice()]);
  const hanging = slow.say('main', 'hang', 'hang');
  expect(await quick.say('main', 'quick')).toMatchObject({ state: 'final' });
  expect(slow.chatEvents('hang').some((each) => isTerminal(each.state))).toBe(false);
  expect(await hanging).toMatchObject({ errorKind: 'timeout' });
});

test('an answer that never ends is cut off, kept and marked, and the upstream is let go', async () => {
  const endless = await startOpenAiUpstream();
  onTestFinished(() => endless.close());
  const piece = text('x'.repeat(10_000));
  function* flood() {
    yield role();
    for (;;) yield piece;
  }
  endless.when(says('flood'), {
    headers: { 'content-type': 'text/event-stream' },
    body: { [Symbol.iterator]: flood },
  });
  const strict = await startGateway({
    config: testConfig({
      upstream: endless.url,
      gateway: { limits: { maxAnswerChars: 200_000 } },
    }),
  });
  const client = await connectClient({ port: strict.port });
  const end = await client.say('main', 'flood', 'f1');
  expect(end).toMatchObject({ state: 'error', errorKind: 'unknown' });
  expect(end.errorMessage).toContain('200000 characters');
  const { length } = client.text('f1');
  expect(length).toBeGreaterThan(100_000);
  expect(length).toBeLessThanOrEqual(200_000);
  const { messages } = await client.request('chat.history', {
    sessionKey: 'main',
    maxChars: 500_000,
  });
  expect(messages.at(-1).__openclaw.state).toBe('error');
  expect(await (await endless.request(0)).closed).toBe('dropped');
});
