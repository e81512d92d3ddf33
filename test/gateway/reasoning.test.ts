/** What a model thinks is kept for it, and shown only if the agent allows. */

import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fixture as anthropic } from '../conformance/fixtures/anthropic-messages/fixture.ts';
import { connectClient, isTerminal, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { startGateway } from '../support/gateway.ts';
import { startUpstream } from '../support/upstream/http.ts';
import {
  DONE,
  events,
  finish,
  reasoning,
  role,
  says,
  startOpenAiUpstream,
  text,
} from '../support/upstream/openai.ts';

async function scene(reasoningDefault: string | undefined) {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  upstream.when(
    says('think'),
    events(role(), reasoning('hmm, '), reasoning('seven'), text('7'), finish('stop'), DONE),
  );
  const gateway = await startGateway({
    config: testConfig({
      upstream: upstream.url,
      defaults: reasoningDefault === undefined ? {} : { reasoningDefault },
      provider: {
        models: [{ id: 'mock-1', reasoning: true, maxTokens: 100 }],
        compat: { maxTokensField: 'max_completion_tokens' },
      },
    }),
  });
  const client = await connectClient({ port: gateway.port, caps: ['tool-events'] });
  const end = await client.say('main', 'think');
  await client.event('agent', (each) => each.stream === 'lifecycle' && each.data.phase === 'end');
  const { messages } = await client.request('chat.history', { sessionKey: 'main' });
  const streamed = client.frames
    .filter((frame) => frame.event === 'agent' && frame.payload.stream === 'thinking')
    .map((frame) => frame.payload.data.delta)
    .join('');
  const thoughts = (message: Json) =>
    message.content
      .filter((block: Json) => block.type === 'thinking')
      .map((each: Json) => each.thinking);
  return { upstream, final: thoughts(end.message), stored: thoughts(messages[1]), streamed };
}

test.each([
  [undefined, [], ''],
  ['off', [], ''],
  ['on', ['hmm, seven'], ''],
  ['stream', ['hmm, seven'], 'hmm, seven'],
])('reasoningDefault %s', async (setting, shown, live) => {
  const { final, stored, streamed } = await scene(setting);
  expect({ final, stored, streamed }).toEqual({ final: shown, stored: shown, streamed: live });
});

const anthropicStream = readFileSync(
  new URL('../conformance/fixtures/anthropic-messages/reasoning.sse', import.meta.url),
);

test('a signed thought comes back to its API with the next turn', async () => {
  const upstream = await startUpstream({
    headers: { 'content-type': 'text/event-stream' },
    body: [anthropicStream],
  });
  onTestFinished(() => upstream.close());
  const gateway = await startGateway({
    config: testConfig({
      upstream: upstream.url,
      defaults: { thinkingDefault: 'low' },
      provider: {
        api: 'anthropic-messages',
        models: [{ id: 'mock-1', reasoning: true, maxTokens: 20_000 }],
      },
    }),
  });
  const client = await connectClient({ port: gateway.port });
  expect(await client.say('main', 'first')).toMatchObject({ state: 'final' });
  expect(await client.say('main', 'second')).toMatchObject({ state: 'final' });
  const [first, second] = upstream.requests.map((each) => each.body as Json);
  expect(first).toMatchObject({ thinking: { type: 'enabled' } });
  const [asked, answered, askedAgain] = second.messages;
  expect(asked).toMatchObject({ role: 'user', content: [{ text: 'first' }] });
  expect(askedAgain).toMatchObject({ role: 'user', content: [{ text: 'second' }] });
  expect(answered.role).toBe('assistant');
  for (const part of anthropic.streams.reasoning.returned) {
    expect(JSON.stringify(answered)).toContain(part);
  }
});

describe('a model that cannot reason', () => {
  async function call(defaults: Record<string, unknown>, thinking?: string) {
    const upstream = await startOpenAiUpstream();
    onTestFinished(() => upstream.close());
    const gateway = await startGateway({
      config: testConfig({ upstream: upstream.url, defaults }),
    });
    const client = await connectClient({ port: gateway.port });
    await client.request('chat.send', {
      sessionKey: 'main',
      message: 'hello',
      idempotencyKey: 'run',
      ...(thinking !== undefined && { thinking }),
    });
    const end = await client.event('chat', (each) => isTerminal(each.state));
    return { end, upstream };
  }

  test("is spared an agent's default", async () => {
    const { end, upstream } = await call({ thinkingDefault: 'high' });
    expect(end).toMatchObject({ state: 'final' });
    expect(upstream.requests[0]?.body).not.toHaveProperty('reasoning_effort');
  });

  test('refuses what a message asks for, in words that say what to do', async () => {
    const { end, upstream } = await call({}, 'high');
    expect(end).toMatchObject({ state: 'error', errorDetail: { failoverReason: 'bad_request' } });
    expect(end.errorMessage).toContain('turn thinking off');
    expect(upstream.requests).toHaveLength(0);
  });

  test('answers a message that asks for none', async () => {
    const { end } = await call({ thinkingDefault: 'high' }, 'off');
    expect(end).toMatchObject({ state: 'final' });
  });
});

test("an endpoint's differences in openclaw.json reach its requests", async () => {
  const { upstream } = await scene('off');
  const { body } = await upstream.request(0);
  expect(body).toMatchObject({ max_completion_tokens: 100 });
  expect(body).not.toHaveProperty('max_tokens');
});
