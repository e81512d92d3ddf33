/** What is particular to chat completions and their dialects; test/conformance has what all APIs share. */

import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import type { ProviderEndpoint, ProviderEvent } from '../../providers/contract.ts';
import { openProvider } from '../support/provider.ts';
import {
  answer,
  CUT,
  chunk,
  DONE,
  delta,
  errorEvent,
  events,
  failure,
  finish,
  gate,
  html,
  model,
  reasoning,
  says,
  startOpenAiUpstream,
  text,
  tokens,
  toolCall,
  type Upstream,
  usage,
} from '../support/upstream/openai.ts';
import {
  collect,
  endpoint,
  failureOf,
  IMPATIENT_MS,
  last,
  MODEL,
  reasoningOf,
  request,
  SECRET,
  textOf,
  toolCallsOf,
  user,
} from './calls.ts';

let upstream: Upstream;
beforeEach(async () => {
  upstream = await startOpenAiUpstream();
});
afterEach(() => upstream.close());

const call = (more: Parameters<typeof request>[0] = {}, where: Partial<ProviderEndpoint> = {}) =>
  openProvider('openai-completions', endpoint(upstream.url, where))(request(more));

describe('an answer', () => {
  it('is complete when upstream dies after the finish reason', async () => {
    upstream.script(events(text('all'), finish('stop'), CUT));
    const all = await collect(call());
    expect(textOf(all)).toBe('all');
    expect(last(all)).toEqual({ type: 'done', stopReason: 'stop' });
  });

  it('comes as events in one order', async () => {
    upstream.script(
      events(reasoning('a'), reasoning('b'), text('c'), finish('stop'), usage(3, 2, 1), DONE),
    );
    const types = (await collect(call())).map((event) => event.type);
    // Pieces that arrive together may leave as one.
    expect(types.filter((type, index) => type !== types[index - 1])).toEqual([
      'start',
      'reasoning',
      'reasoning_end',
      'text',
      'usage',
      'done',
    ]);
  });

  test.each([
    ['function_call', 'tool_use'],
    ['end_turn', 'stop'],
    ['max_tokens', 'length'],
    ['model_length', 'length'],
    ['sensitive', 'content_filter'],
    ['a new one', 'stop'],
  ])('with the relay’s finish reason %s is %s', async (finishReason, stopReason) => {
    upstream.script(answer('x', { finishReason }));
    expect(last(await collect(call()))).toEqual({ type: 'done', stopReason });
  });

  test.each(['network_error', 'insufficient_system_resource', 'error'])(
    'with the finish reason %s is a breakdown',
    async (finishReason) => {
      upstream.script(answer('so far', { finishReason }));
      expect(failureOf(await collect(call()))).toMatchObject({ kind: 'unavailable' });
    },
  );

  it('may call its thoughts `reasoning` too', async () => {
    upstream.script(events(delta({ reasoning: 'Hm.' }), text('42'), finish('stop'), DONE));
    expect(reasoningOf(await collect(call()))).toBe('Hm.');
  });

  test.each<[string, Record<string, unknown>, object]>([
    [
      'DeepSeek’s cache field',
      { prompt_tokens: 100, completion_tokens: 5, prompt_cache_hit_tokens: 64 },
      { input: 36, cacheRead: 64, output: 5, total: 105 },
    ],
    [
      'reasoning outside of completion_tokens',
      { prompt_tokens: 10, completion_tokens: 5, total_tokens: 45 },
      { input: 10, output: 35, total: 45 },
    ],
    [
      'a written cache',
      {
        prompt_tokens: 100,
        completion_tokens: 5,
        prompt_tokens_details: { cached_tokens: 50, cache_write_tokens: 20 },
      },
      { input: 30, cacheRead: 50, cacheWrite: 20 },
    ],
    [
      'nonsense as nothing',
      { prompt_tokens: null, completion_tokens: '7' },
      { input: 0, total: 0 },
    ],
  ])('counts %s', async (_name, reported, expected) => {
    const counted = chunk({ choices: [], usage: reported });
    upstream.script(events(text('x'), finish('stop'), counted, DONE));
    const all = await collect(call());
    expect(all.find((event) => event.type === 'usage')).toMatchObject({ usage: expected });
  });

  it('tells what it has cost also when it breaks', async () => {
    upstream.script(events(text('x'), usage(5, 1), CUT));
    const all = await collect(call());
    expect(all.map((event) => event.type)).toEqual(['start', 'text', 'usage', 'error']);
  });
});

describe('tool calls', () => {
  it('are told apart by id where a relay numbers all of them 0', async () => {
    upstream.script(
      events(
        toolCall(0, { id: 'a', name: 'one', args: '{}' }),
        toolCall(0, { id: 'b', name: 'two', args: '{"x":1}' }),
        finish('stop'),
        DONE,
      ),
    );
    const all = await collect(call());
    expect(toolCallsOf(all).map((each) => each.name)).toEqual(['one', 'two']);
    expect(last(all)).toEqual({ type: 'done', stopReason: 'tool_use' });
  });

  it.each([
    ['neither a number nor an id', {}],
    ['null for both', { index: null, id: null }],
    ['one number for all and no id', { index: 0 }],
  ])('are told apart where a relay gives them %s', async (_what, marks) => {
    const calls = ['one', 'two'].map((name) => ({
      ...marks,
      function: { name, arguments: `{"to":"${name}"}` },
    }));
    upstream.script(
      events(
        delta({ tool_calls: calls.slice(0, 1) }),
        delta({ tool_calls: calls.slice(1) }),
        finish('stop'),
      ),
      events(delta({ tool_calls: calls }), finish('stop')),
    );
    for (const _ of ['in two chunks', 'in one']) {
      expect(toolCallsOf(await collect(call()))).toMatchObject([
        { name: 'one', arguments: '{"to":"one"}' },
        { name: 'two', arguments: '{"to":"two"}' },
      ]);
    }
  });

  it('are told apart without number and id also if the same is called twice', async () => {
    const calls = [1, 2].map((n) => ({ function: { name: 'look', arguments: `{"n":${n}}` } }));
    upstream.script(events(delta({ tool_calls: calls }), finish('stop')));
    expect(toolCallsOf(await collect(call())).map((each) => each.arguments)).toEqual([
      '{"n":1}',
      '{"n":2}',
    ]);
  });

  it('get an id where upstream gives none', async () => {
    upstream.script(events(toolCall(0, { name: 'one', args: '{}' }), finish('tool_calls'), DONE));
    expect(toolCallsOf(await collect(call()))).toMatchObject([
      { id: expect.stringMatching(/^call_./) },
    ]);
  });

  it('may repeat their id and name with each piece', async () => {
    upstream.script(
      events(
        toolCall(0, { id: 'a', name: 'one', args: '{"x"' }),
        toolCall(0, { id: 'a', name: 'one', args: ':1}' }),
        finish('tool_calls'),
        DONE,
      ),
    );
    expect(toolCallsOf(await collect(call()))).toEqual([
      { id: 'a', name: 'one', arguments: '{"x":1}' },
    ]);
  });
});

describe('the request', () => {
  it('follows the endpoint’s differences', async () => {
    const compat = {
      supportsUsageInStreaming: false,
      requiresToolResultName: true,
      requiresShortToolIds: true,
      requiresAssistantAfterToolResult: true,
      reasoningReturnField: 'reasoning_content',
      systemRole: 'developer',
    } as const;
    const id = 'toolu_very_long';
    const messages = [
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'hm', api: 'openai-completions' },
          { type: 'reasoning', text: 'not yours', api: 'anthropic-messages' },
          { type: 'tool_call', id, name: 'look', arguments: '' },
        ],
      },
      {
        role: 'tool',
        content: [{ type: 'tool_result', id, name: 'look', content: 'A cat', isError: false }],
      },
      user('thanks'),
    ] as const;
    await collect(call({ messages }, { compat }));
    const short = expect.stringMatching(/^[a-z0-9]{9}$/);
    const sent = upstream.requests[0]?.body;
    expect(sent).not.toHaveProperty('stream_options');
    expect(sent).toMatchObject({
      messages: [
        { role: 'developer' },
        {
          role: 'assistant',
          reasoning_content: 'hm',
          tool_calls: [{ id: short, function: { arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: short, name: 'look' },
        { role: 'assistant' },
        { role: 'user', content: 'thanks' },
      ],
    });
  });

  it('carries no key where none is configured', async () => {
    await collect(call({}, { apiKey: '' }));
    expect(upstream.requests[0]?.headers).not.toHaveProperty('authorization');
  });
});

describe('failures', () => {
  it('point at the base URL when a web page answers', async () => {
    upstream.script(html(200));
    const found = failureOf(await collect(call()));
    expect(found).toMatchObject({ kind: 'unavailable', status: 200 });
    expect(found.message).toContain('models.providers.oneapi.baseUrl');
  });

  it('in the stream are judged by their wording too', async () => {
    const tooLong = errorEvent('invalid_request_error', 'maximum context length is 8192 tokens');
    upstream.script(events(text('x'), tooLong));
    expect(failureOf(await collect(call()))).toMatchObject({ kind: 'context_length' });
  });

  it('name a refused connection, but not its address', async () => {
    const { url } = upstream;
    await upstream.close();
    const found = failureOf(await collect(call({}, { baseUrl: url })));
    expect(found.message).toBe(
      'Provider oneapi could not be reached: connection refused (model test-model).',
    );
    upstream = await startOpenAiUpstream();
  });

  it('name a base URL that is none', async () => {
    const found = failureOf(await collect(call({}, { baseUrl: 'nonsense' })));
    expect(found).toMatchObject({ kind: 'bad_request', retryable: false });
  });

  it('show nothing of headers that cannot be sent', async () => {
    const headers = { 'X-Key': `${SECRET}\nx: y` };
    expect(failureOf(await collect(call({}, { headers }))).message).not.toContain(SECRET);
  });
});

describe('silence', () => {
  const hold = gate();

  it('after the finish reason costs nothing', async () => {
    upstream.script(events(text('all'), finish('stop'), hold.promise));
    const all = await collect(call({}, { silenceMs: IMPATIENT_MS }));
    expect(last(all)).toEqual({ type: 'done', stopReason: 'stop' });
  });

  it('is not the reader’s own slowness', async () => {
    upstream.script(answer('one two three'));
    const all: ProviderEvent[] = [];
    for await (const event of call({}, { silenceMs: IMPATIENT_MS })) {
      // Longer than upstream may be silent: a timer set before this one has fired by then.
      if (event.type === 'text') await new Promise((go) => setTimeout(go, IMPATIENT_MS * 2));
      all.push(event);
    }
    expect(last(all)).toEqual({ type: 'done', stopReason: 'stop' });
  });
});

describe('an abort', () => {
  it('before the call sends nothing', async () => {
    const found = failureOf(await collect(call({ signal: AbortSignal.abort() })));
    expect(found).toMatchObject({ kind: 'aborted', retryable: false });
    expect(upstream.requests).toHaveLength(0);
  });

  it('in one stream leaves its neighbours alone', async () => {
    const hold = gate();
    upstream.when(says('count'), tokens(50));
    upstream.when(says('wait'), events(text('x'), hold.promise));
    upstream.when(model('broken'), failure(500, 'server_error'));
    const adapter = openProvider('openai-completions', endpoint(upstream.url));
    const controller = new AbortController();
    const stuck = collect(
      adapter(request({ messages: [user('wait')], signal: controller.signal })),
    );
    const broken = collect(adapter(request({ model: { ...MODEL, id: 'broken' } })));
    const counting = Array.from({ length: 20 }, () =>
      collect(adapter(request({ messages: [user('count')] }))),
    );
    controller.abort();
    expect(failureOf(await stuck).kind).toBe('aborted');
    expect(failureOf(await broken).kind).toBe('unavailable');
    const expected = Array.from({ length: 50 }, (_, index) => `t${index} `).join('');
    expect((await Promise.all(counting)).map(textOf)).toEqual(counting.map(() => expected));
  });
});
