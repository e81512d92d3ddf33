/** One conversation, as each API is told it. The whole body: what is not listed is not sent. */

import { describe, expect, it } from 'vitest';
import type { ProviderRequest } from '../../providers/contract.ts';
import type { ApiName } from '../../providers/registry.ts';
import { openProvider } from '../support/provider.ts';
import { startUpstream } from '../support/upstream/http.ts';
import { collect, endpoint, MODEL, request, user } from './calls.ts';

const parameters = { type: 'object', properties: { at: { type: 'string' } } };
const tool = { name: 'look', description: 'Looks.', parameters };

const conversation: Partial<ProviderRequest> = {
  tools: [tool],
  maxOutputTokens: 5_000,
  reasoning: 'low',
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is this?' },
        { type: 'image', mimeType: 'image/png', data: 'AAAA' },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'unsigned', api: 'anthropic-messages' },
        { type: 'reasoning', text: 'unsigned', api: 'google-generative-ai' },
        { type: 'reasoning', text: 'unsigned', api: 'openai-responses' },
        { type: 'text', text: 'Let me look.' },
        { type: 'tool_call', id: 'c1', name: 'look', arguments: '{"at":"it"}' },
        { type: 'tool_call', id: 'c2', name: 'look', arguments: 'not JSON' },
      ],
    },
    {
      role: 'tool',
      content: [
        { type: 'tool_result', id: 'c1', name: 'look', content: 'A cat', isError: false },
        { type: 'tool_result', id: 'c2', name: 'look', content: 'Bad arguments', isError: true },
      ],
    },
    user('So?'),
  ],
};

const bodies: Partial<Record<ApiName, object>> = {
  'openai-completions': {
    model: 'test-model',
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: 5_000,
    reasoning_effort: 'low',
    tools: [{ type: 'function', function: tool }],
    messages: [
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        ],
      },
      {
        role: 'assistant',
        content: 'Let me look.',
        tool_calls: [
          { id: 'c1', type: 'function', function: { name: 'look', arguments: '{"at":"it"}' } },
          { id: 'c2', type: 'function', function: { name: 'look', arguments: 'not JSON' } },
        ],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'A cat' },
      { role: 'tool', tool_call_id: 'c2', content: 'Bad arguments' },
      { role: 'user', content: 'So?' },
    ],
  },
  'openai-responses': {
    model: 'test-model',
    stream: true,
    store: false,
    instructions: 'Be brief.',
    max_output_tokens: 5_000,
    include: ['reasoning.encrypted_content'],
    reasoning: { effort: 'low', summary: 'auto' },
    tools: [{ type: 'function', ...tool, strict: false }],
    input: [
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'What is this?' },
          { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'auto' },
        ],
      },
      { role: 'assistant', content: 'Let me look.' },
      { type: 'function_call', call_id: 'c1', name: 'look', arguments: '{"at":"it"}' },
      { type: 'function_call', call_id: 'c2', name: 'look', arguments: 'not JSON' },
      { type: 'function_call_output', call_id: 'c1', output: 'A cat' },
      { type: 'function_call_output', call_id: 'c2', output: 'Bad arguments' },
      { role: 'user', content: [{ type: 'input_text', text: 'So?' }] },
    ],
  },
  'anthropic-messages': {
    model: 'test-model',
    stream: true,
    max_tokens: 7_048,
    thinking: { type: 'enabled', budget_tokens: 2_048 },
    cache_control: { type: 'ephemeral' },
    system: 'Be brief.',
    tools: [{ name: 'look', description: 'Looks.', input_schema: parameters }],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'Let me look.' },
          { type: 'tool_use', id: 'c1', name: 'look', input: { at: 'it' } },
          { type: 'tool_use', id: 'c2', name: 'look', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'c1', content: 'A cat' },
          { type: 'tool_result', tool_use_id: 'c2', content: 'Bad arguments', is_error: true },
          { type: 'text', text: 'So?' },
        ],
      },
    ],
  },
  'google-generative-ai': {
    safetySettings: [],
    systemInstruction: { role: 'system', parts: [{ text: 'Be brief.' }] },
    generationConfig: {
      maxOutputTokens: 5_000,
      thinkingConfig: { includeThoughts: true, thinkingBudget: 1_024 },
    },
    tools: [
      {
        functionDeclarations: [
          { name: 'look', description: 'Looks.', parametersJsonSchema: parameters },
        ],
      },
    ],
    contents: [
      {
        role: 'user',
        parts: [{ text: 'What is this?' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }],
      },
      {
        role: 'model',
        parts: [
          { text: 'Let me look.' },
          { functionCall: { name: 'look', args: { at: 'it' } } },
          { functionCall: { name: 'look', args: {} } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { name: 'look', response: { output: 'A cat' } } },
          { functionResponse: { name: 'look', response: { error: 'Bad arguments' } } },
        ],
      },
      { role: 'user', parts: [{ text: 'So?' }] },
    ],
  },
  ollama: {
    model: 'test-model',
    stream: true,
    truncate: false,
    shift: false,
    think: 'low',
    options: { num_ctx: 128_000, num_predict: 5_000 },
    tools: [{ type: 'function', function: tool }],
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'What is this?', images: ['AAAA'] },
      {
        role: 'assistant',
        content: 'Let me look.',
        tool_calls: [
          { function: { name: 'look', arguments: { at: 'it' } } },
          { function: { name: 'look', arguments: {} } },
        ],
      },
      { role: 'tool', tool_name: 'look', content: 'A cat' },
      { role: 'tool', tool_name: 'look', content: 'Bad arguments' },
      { role: 'user', content: 'So?' },
    ],
  },
};

/** What the API is sent for this request; the answer does not matter. */
async function sent(api: ApiName, more: Partial<ProviderRequest>): Promise<unknown> {
  const upstream = await startUpstream({ status: 400, body: [] });
  await collect(openProvider(api, endpoint(upstream.url))(request(more)));
  await upstream.close();
  return upstream.requests[0]?.body;
}

describe('a conversation with an image, tools and thoughts', () => {
  it.each(Object.entries(bodies))('is told to %s', async (api, body) => {
    // `Object.entries` forgets the keys' type.
    expect(await sent(api as ApiName, conversation)).toEqual(body);
  });
});

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
