/** What a model thinks is kept for it, and shown only if the agent allows. */

import { expect, onTestFinished, test } from 'vitest';
import { connectClient, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { startGateway } from '../support/gateway.ts';
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

test("an endpoint's differences in openclaw.json reach its requests", async () => {
  const { upstream } = await scene('off');
  const { body } = await upstream.request(0);
  expect(body).toMatchObject({ max_completion_tokens: 100 });
  expect(body).not.toHaveProperty('max_tokens');
});
