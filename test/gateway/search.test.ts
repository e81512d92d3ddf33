/** `sessions.search` from outside. */

import { expect, onTestFinished, test } from 'vitest';
import { connectClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { startGateway } from '../support/gateway.ts';
import { startOpenAiUpstream } from '../support/upstream/openai.ts';

async function scene() {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const gateway = await startGateway({ config: testConfig({ upstream: upstream.url }) });
  return { port: gateway.port };
}

test('finds what the user and the model said, and leads to it', async () => {
  const { port } = await scene();
  const client = await connectClient({ port });
  await client.say('agent:main:one', '港口在哪里？');
  await client.say('agent:main:two', 'something else');
  const { results, truncated } = await client.request('sessions.search', { query: '港' });
  expect(truncated).toBeUndefined();
  expect(results).toMatchObject([
    { sessionKey: 'agent:main:one', snippet: expect.stringContaining('港口') },
    { sessionKey: 'agent:main:one', snippet: expect.stringContaining('港口') },
  ]);
  expect(results.map((each: { role: string }) => each.role).toSorted()).toEqual([
    'assistant',
    'user',
  ]);
  const [{ sessionKey, messageId }] = results;
  const { messages } = await client.request('chat.history', { sessionKey, messageId, limit: 1 });
  expect(messages).toMatchObject([{ __openclaw: { id: messageId } }]);
  const elsewhere = { query: '港', sessionKeys: ['agent:main:two'] };
  expect(await client.request('sessions.search', elsewhere)).toEqual({ results: [] });
  const few = await client.request('sessions.search', { query: '港', limit: 1 });
  expect(few).toMatchObject({ truncated: true, results: { length: 1 } });
});

test('finds nothing of anybody else, whatever is named', async () => {
  const { port } = await scene();
  const alice = await connectClient({ port, user: 'alice' });
  const bob = await connectClient({ port, user: 'bob' });
  await alice.say('agent:main:one', 'needle');
  expect(await alice.request('sessions.search', { query: 'needle' })).not.toEqual({ results: [] });
  for (const more of [{}, { sessionKeys: ['agent:main:one'] }, { agentId: 'main' }]) {
    const found = await bob.request('sessions.search', { query: 'needle', ...more });
    expect(found).toEqual({ results: [] });
  }
});

test('takes a bounded number of searches at once', async () => {
  const { port } = await scene();
  const client = await connectClient({ port });
  await client.say('agent:main:one', 'needle');
  const all = Array.from({ length: 20 }, () => client.ask('sessions.search', { query: 'needle' }));
  const frames = await Promise.all(all);
  const refused = frames.filter((frame) => !frame.ok).map((frame) => frame.error.details.code);
  expect(new Set(refused)).toEqual(new Set(['SEARCH_BUSY']));
  expect(frames.length - refused.length).toBeGreaterThanOrEqual(4);
  expect(await client.request('sessions.search', { query: 'needle' })).toMatchObject({
    results: [{ snippet: 'needle' }, { snippet: 'You said: needle' }],
  });
});
