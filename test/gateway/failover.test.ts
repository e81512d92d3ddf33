/** When a model does not answer, the next of the chain does: before the first token, and never after. */

import { expect, onTestFinished, test } from 'vitest';
import { connectClient, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { startGateway } from '../support/gateway.ts';
import {
  CUT,
  DONE,
  events,
  failure,
  finish,
  gate,
  model,
  role,
  says,
  startOpenAiUpstream,
  text,
} from '../support/upstream/openai.ts';

/** One upstream that serves two providers: `first` with its model, and `second` with another. */
async function scene(provider: object = {}) {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const endpoint = (id: string) => ({
    baseUrl: upstream.url,
    apiKey: id,
    models: [{ id }],
    ...provider,
  });
  const gateway = await startGateway({
    config: {
      ...testConfig(),
      agents: { defaults: { model: { primary: 'first/m-1', fallbacks: ['second/m-2'] } } },
      models: { providers: { first: endpoint('m-1'), second: endpoint('m-2') } },
    },
  });
  const calls = (name: string) =>
    upstream.requests.filter((each) => (each.body as Json).model === name).length;
  return { upstream, gateway, calls };
}

/** Not worth a second try: upstream says to come back in a minute. */
const down = failure(503, 'overloaded', { headers: { 'retry-after': '60' } });

test('the fallback answers, and the answer says who gave it', async () => {
  const { upstream, gateway, calls } = await scene();
  upstream.when(model('m-1'), down);
  const client = await connectClient({ port: gateway.port });
  const end = await client.say('main', 'hello');
  expect(end).toMatchObject({ state: 'final', message: { provider: 'second', model: 'm-2' } });
  expect([calls('m-1'), calls('m-2')]).toEqual([1, 1]);
  const { messages } = await client.request('chat.history', { sessionKey: 'main' });
  expect(messages[1]).toMatchObject({ provider: 'second', model: 'm-2' });
});

test('after the first token there is no switch', async () => {
  const { upstream, gateway, calls } = await scene();
  upstream.when(model('m-1'), events(role(), text('I was say'), CUT));
  const client = await connectClient({ port: gateway.port });
  const end = await client.say('main', 'hello', 'run');
  expect(end).toMatchObject({ state: 'error', errorDetail: { provider: 'first', model: 'm-1' } });
  expect(client.text('run')).toBe('I was say');
  expect(calls('m-2')).toBe(0);
});

test.each([
  ['a refused key', failure(401, 'invalid_api_key'), 'auth'],
  ['a bad request', failure(400, 'invalid_request_error'), 'bad_request'],
])('%s is told, not handed on', async (_, reply, kind) => {
  const { upstream, gateway, calls } = await scene();
  upstream.when(model('m-1'), reply);
  const client = await connectClient({ port: gateway.port });
  expect(await client.say('main', 'hello')).toMatchObject({
    errorDetail: { failoverReason: kind },
  });
  expect([calls('m-1'), calls('m-2')]).toEqual([1, 0]);
});

test('a provider that keeps failing is left alone, and the last of the chain is always tried', async () => {
  const { upstream, gateway, calls } = await scene();
  upstream.when(model('m-1'), down);
  const client = await connectClient({ port: gateway.port });
  for (let turn = 0; turn < 8; turn++) {
    expect(await client.say(`s${turn}`, 'hello')).toMatchObject({ state: 'final' });
  }
  expect([calls('m-1'), calls('m-2')]).toEqual([5, 8]);
  upstream.when(model('m-2'), down);
  for (let turn = 0; turn < 8; turn++) {
    expect(await client.say(`t${turn}`, 'hello')).toMatchObject({
      state: 'error',
      errorDetail: { provider: 'second', httpStatus: 503 },
    });
  }
  expect([calls('m-1'), calls('m-2')]).toEqual([5, 16]);
});

test("one user's refusals do not keep a provider from others", async () => {
  const { upstream, gateway } = await scene();
  upstream.when(
    says('refuse me'),
    failure(429, 'rate_limit_exceeded', { headers: { 'retry-after': '60' } }),
  );
  const mallory = await connectClient({ port: gateway.port, user: 'mallory' });
  for (let turn = 0; turn < 8; turn++) await mallory.say(`s${turn}`, 'refuse me');
  const alice = await connectClient({ port: gateway.port, user: 'alice' });
  expect(await alice.say('main', 'hello')).toMatchObject({ message: { provider: 'first' } });
});

test('where calls have to wait, users take turns', async () => {
  const { upstream, gateway } = await scene({ maxConcurrentCalls: 1 });
  const hold = gate();
  upstream.when(says('hold'), events(role(), hold.promise, text('done'), finish('stop'), DONE));
  const greedy = await connectClient({ port: gateway.port, user: 'greedy' });
  const modest = await connectClient({ port: gateway.port, user: 'modest' });
  const first = greedy.say('g0', 'hold');
  await upstream.request(0);
  const rest = ['g1', 'g2', 'g3'].map((session) => greedy.say(session, 'more'));
  // Acknowledged means that they wait in the order in which they were sent.
  await greedy.frame((frame) => frame.event === 'chat' && frame.payload.sessionKey === 'g3');
  const other = modest.say('m', 'one thing');
  await modest.frame((frame) => frame.event === 'chat');
  hold.open();
  await Promise.all([first, ...rest, other]);
  // In the order of the calls: two sockets' events may be read in another one.
  const asked = upstream.requests.findIndex(says('one thing'));
  expect(asked).toBeGreaterThan(0);
  expect(asked).toBeLessThan(3);
});

test('a connection is used again for the next answer', async () => {
  const { upstream, gateway } = await scene();
  const client = await connectClient({ port: gateway.port });
  for (let turn = 0; turn < 4; turn++) await client.say('main', 'hello');
  expect(upstream.requests.map((each) => each.connection)).toEqual([1, 1, 1, 1]);
});

test('models of one provider share its limit, whatever their differences', async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const models = [{ id: 'm-1' }, { id: 'm-2', compat: { supportsUsageInStreaming: false } }];
  const provider = { baseUrl: upstream.url, apiKey: 'k', models, maxConcurrentCalls: 1 };
  const gateway = await startGateway({
    config: {
      ...testConfig(),
      agents: { defaults: { model: 'one/m-1' } },
      models: { providers: { one: provider } },
    },
  });
  const client = await connectClient({ port: gateway.port });
  const hold = gate();
  upstream.when(says('hold'), events(role(), hold.promise, text('done'), finish('stop'), DONE));
  await client.request('sessions.create', { key: 'second', model: 'one/m-2' });
  const first = client.say('first', 'hold');
  await upstream.request(0);
  const second = client.say('second', 'waits', 'waits');
  await client.event('chat', (each) => each.runId === 'waits' && each.state === 'status');
  expect(upstream.requests).toHaveLength(1);
  hold.open();
  await Promise.all([first, second]);
  expect(upstream.requests.map((each) => (each.body as Json).model)).toEqual(['m-1', 'm-2']);
});
