/** What is particular to the requests of single APIs; test/conformance has what all are told. */

import { describe, expect, it } from 'vitest';
import type { ProviderRequest } from '../../providers/contract.ts';
import type { ApiName } from '../../providers/registry.ts';
import { openProvider } from '../support/provider.ts';
import { startUpstream } from '../support/upstream/http.ts';
import { collect, endpoint, MODEL, request, user } from './calls.ts';

/** What the API is sent for this request; the answer does not matter. */
async function sent(api: ApiName, more: Partial<ProviderRequest>): Promise<unknown> {
  const upstream = await startUpstream({ status: 400, body: [] });
  await collect(openProvider(api, endpoint(upstream.url))(request(more)));
  await upstream.close();
  return upstream.requests[0]?.body;
}

describe('Anthropic', () => {
  it('is given a bound, which it insists on, and no more than the model can write', async () => {
    expect(await sent('anthropic-messages', {})).toMatchObject({ max_tokens: 8_192 });
    const model = { ...MODEL, maxTokens: 4_096 };
    expect(await sent('anthropic-messages', { model, reasoning: 'high' })).toMatchObject({
      max_tokens: 4_096,
      thinking: { budget_tokens: 3_072 },
    });
  });

  it('is not asked to think where there is no room for it', async () => {
    const model = { ...MODEL, maxTokens: 1_500 };
    expect(await sent('anthropic-messages', { model, reasoning: 'low' })).not.toHaveProperty(
      'thinking',
    );
  });

  it('is spared a thought at the end of what it said, which it refuses', async () => {
    const api = 'anthropic-messages';
    const thought = { type: 'reasoning', text: 'hm', api, signature: 's' } as const;
    const said = { type: 'text', text: 'yes' } as const;
    const messages = [
      user('1'),
      { role: 'assistant', content: [thought] },
      user('2'),
      { role: 'assistant', content: [thought, said, thought] },
      user('3'),
    ] as const;
    expect(await sent(api, { messages })).toMatchObject({
      messages: [
        { role: 'user', content: [{ text: '1' }, { text: '2' }] },
        { role: 'assistant', content: [{ thinking: 'hm', signature: 's' }, { text: 'yes' }] },
        { role: 'user', content: [{ text: '3' }] },
      ],
    });
  });

  it('is spared blocks that it refuses', async () => {
    const messages = [
      user('1'),
      { role: 'assistant', content: [{ type: 'text', text: ' ' }] },
      user('2'),
    ] as const;
    expect(await sent('anthropic-messages', { messages })).toMatchObject({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: '1' },
            { type: 'text', text: '2' },
          ],
        },
      ],
    });
  });
});

describe('OpenAI Responses', () => {
  it('is not sent a thought that nothing follows', async () => {
    const signature = JSON.stringify({ id: 'rs_1', encrypted_content: 'e' });
    const thought = { type: 'reasoning', text: 'hm', api: 'openai-responses', signature } as const;
    const messages = [user('1'), { role: 'assistant', content: [thought] }, user('2')] as const;
    expect(JSON.stringify(await sent('openai-responses', { messages }))).not.toContain('rs_1');
  });
});

describe('Gemini', () => {
  it('3 is told that a call is another model’s, since it refuses calls without a signature', async () => {
    const model = { ...MODEL, id: 'gemini-3-pro' };
    const call = { type: 'tool_call', id: 'c1', name: 'look', arguments: '{}' } as const;
    const messages = [user('1'), { role: 'assistant', content: [call] }] as const;
    expect(JSON.stringify(await sent('google-generative-ai', { model, messages }))).toContain(
      '"thoughtSignature":"skip_thought_signature_validator"',
    );
  });

  it('takes reserved headers in the places that its SDK has for them', async () => {
    const upstream = await startUpstream({ status: 400, body: [] });
    const headers = {
      'X-Goog-Api-Key': 'other',
      'X-Goog-Api-Client': 'mine',
      'Content-Type': 'text/x',
    };
    await collect(
      openProvider('google-generative-ai', endpoint(upstream.url, { headers }))(request()),
    );
    await upstream.close();
    expect(upstream.requests[0]?.headers).toMatchObject({
      'x-goog-api-key': 'other',
      'x-goog-api-client': expect.stringContaining('mine'),
      'content-type': 'application/json',
    });
  });
});
