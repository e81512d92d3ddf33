/** Chat completions through the real SDK, against a server that speaks the true bytes. */

import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import type { ProviderEndpoint, ProviderEvent } from '../../providers/contract.ts';
import { openProvider } from '../../providers/registry.ts';
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
  role,
  says,
  splitAt,
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

/** Reads until an event of this type has come; the iterator then stands behind it. */
async function readUntil(iterator: AsyncIterator<ProviderEvent>, type: ProviderEvent['type']) {
  for (;;) {
    const { value, done } = await iterator.next();
    if (done) throw new Error(`the stream ended before ${type}`);
    if (value.type === type) return value;
  }
}

describe('a plain answer', () => {
  it('streams text, then usage, then done', async () => {
    const all = await collect(call());
    expect(all[0]).toEqual({ type: 'start', model: 'gpt-test' });
    expect(textOf(all)).toBe('You said: Hello');
    expect(all.at(-2)).toMatchObject({ type: 'usage', usage: { input: 10, output: 3 } });
    expect(last(all)).toEqual({ type: 'done', stopReason: 'stop' });
  });

  it('survives any split of its bytes, in a line and in a character', async () => {
    const whole = events(role(), text('añ'), text('日本 👩‍👧'), finish('stop'), DONE);
    const length = Buffer.byteLength([...whole.body].join(''));
    for (let offset = 1; offset < length; offset += 1) upstream.script(splitAt(whole, offset));
    for (let offset = 1; offset < length; offset += 1) {
      const all = await collect(call());
      expect(textOf(all), `split at byte ${offset}`).toBe('añ日本 👩‍👧');
      expect(last(all)).toEqual({ type: 'done', stopReason: 'stop' });
    }
  });

  it('joins a surrogate pair that upstream split across deltas', async () => {
    upstream.script(events(text('a\ud83d'), text('\ude00b'), finish('stop'), DONE));
    const all = await collect(call());
    expect(textOf(all)).toBe('a😀b');
    expect(all.every((event) => event.type !== 'text' || event.delta.isWellFormed())).toBe(true);
  });

  it('may be empty', async () => {
    upstream.script(events(role(), finish('stop'), DONE));
    expect(await collect(call())).toEqual([
      { type: 'start', model: 'gpt-test' },
      { type: 'done', stopReason: 'stop' },
    ]);
  });

  it('is complete when upstream dies after the finish reason', async () => {
    upstream.script(events(text('all'), finish('stop'), CUT));
    const all = await collect(call());
    expect(textOf(all)).toBe('all');
    expect(last(all)).toEqual({ type: 'done', stopReason: 'stop' });
  });

  test.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['tool_calls', 'tool_use'],
    ['function_call', 'tool_use'],
    ['content_filter', 'content_filter'],
    ['end_turn', 'stop'],
    ['model_length', 'length'],
    ['a new one', 'stop'],
  ])('finish reason %s is %s', async (finishReason, stopReason) => {
    upstream.script(answer('x', { finishReason }));
    expect(last(await collect(call()))).toEqual({ type: 'done', stopReason });
  });

  it('tells a refusal from an answer', async () => {
    upstream.script(
      events(delta({ refusal: 'I cannot ' }), delta({ refusal: 'do that.' }), finish('stop'), DONE),
    );
    const all = await collect(call());
    expect(textOf(all)).toBe('I cannot do that.');
    expect(last(all)).toEqual({ type: 'done', stopReason: 'refusal' });
  });

  test.each(['reasoning_content', 'reasoning'])('streams %s apart from text', async (field) => {
    upstream.script(
      events(
        delta({ [field]: 'Let me ' }),
        delta({ [field]: 'think.' }),
        text('42'),
        finish('stop'),
        DONE,
      ),
    );
    const all = await collect(call());
    expect(reasoningOf(all)).toBe('Let me think.');
    expect(textOf(all)).toBe('42');
    const types = all.map((event) => event.type);
    expect(types.indexOf('reasoning_end')).toBeLessThan(types.indexOf('text'));
  });

  test.each<[string, Record<string, unknown>, object]>([
    [
      'cache read apart',
      { prompt_tokens: 100, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 80 } },
      { input: 20, cacheRead: 80, output: 5, total: 105 },
    ],
    [
      'DeepSeek’s cache field',
      { prompt_tokens: 100, completion_tokens: 5, prompt_cache_hit_tokens: 64 },
      { input: 36, cacheRead: 64 },
    ],
    [
      'reasoning outside of completion_tokens',
      { prompt_tokens: 10, completion_tokens: 5, total_tokens: 45 },
      { output: 35, total: 45 },
    ],
    [
      'nonsense as nothing',
      { prompt_tokens: null, completion_tokens: '7' },
      { input: 0, output: 0, total: 0 },
    ],
  ])('counts %s', async (_name, reported, expected) => {
    upstream.script(
      events(text('x'), finish('stop'), chunk({ choices: [], usage: reported }), DONE),
    );
    const all = await collect(call());
    expect(all.find((event) => event.type === 'usage')).toMatchObject({ usage: expected });
  });
});

describe('tool calls', () => {
  it('come in pieces, several in parallel', async () => {
    upstream.script(
      events(
        role(),
        toolCall(0, { id: 'a', name: 'weather', args: '' }),
        toolCall(0, { args: '{"city":' }),
        toolCall(1, { id: 'b', name: 'time', args: '{"zone"' }),
        toolCall(0, { args: '"Osaka"}' }),
        toolCall(1, { args: ':"JST"}' }),
        finish('tool_calls'),
        DONE,
      ),
    );
    const all = await collect(call());
    expect(toolCallsOf(all)).toEqual([
      { id: 'a', name: 'weather', arguments: '{"city":"Osaka"}' },
      { id: 'b', name: 'time', arguments: '{"zone":"JST"}' },
    ]);
    expect(last(all)).toEqual({ type: 'done', stopReason: 'tool_use' });
  });

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

  it('get an id where upstream gives none', async () => {
    upstream.script(events(toolCall(0, { name: 'one', args: '{}' }), finish('tool_calls'), DONE));
    expect(toolCallsOf(await collect(call()))).toMatchObject([
      { id: expect.stringMatching(/^call_./) },
    ]);
  });
});

describe('the request', () => {
  it('carries system, images, tool calls and results in the API’s form', async () => {
    const tool = { name: 'look', description: 'Looks.', parameters: { type: 'object' } };
    await collect(
      call({
        tools: [tool],
        maxOutputTokens: 50,
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
              { type: 'reasoning', text: 'hm', api: 'openai-completions' },
              { type: 'text', text: 'Let me look.' },
              { type: 'tool_call', id: 'c1', name: 'look', arguments: '{"at":"it"}' },
            ],
          },
          {
            role: 'tool',
            content: [
              { type: 'tool_result', id: 'c1', name: 'look', content: 'A cat', isError: false },
            ],
          },
        ],
      }),
    );
    expect(upstream.requests[0]?.body).toEqual({
      model: 'test-model',
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 50,
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
          ],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'A cat' },
      ],
    });
  });

  it('follows the endpoint’s differences', async () => {
    const compat = {
      supportsUsageInStreaming: false,
      requiresToolResultName: true,
      requiresShortToolIds: true,
      requiresAssistantAfterToolResult: true,
      reasoningReturnField: 'reasoning_content',
      systemRole: 'developer',
    } as const;
    const messages = [
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'hm', api: 'openai-completions' },
          { type: 'reasoning', text: 'not yours', api: 'anthropic-messages' },
          { type: 'tool_call', id: 'toolu_very_long', name: 'look', arguments: '' },
        ],
      },
      {
        role: 'tool',
        content: [
          {
            type: 'tool_result',
            id: 'toolu_very_long',
            name: 'look',
            content: 'A cat',
            isError: false,
          },
        ],
      },
      user('thanks'),
    ] as const;
    await collect(call({ messages }, { compat }));
    const id = expect.stringMatching(/^[a-z0-9]{9}$/);
    const sent = upstream.requests[0]?.body;
    expect(sent).not.toHaveProperty('stream_options');
    expect(sent).toMatchObject({
      messages: [
        { role: 'developer' },
        {
          role: 'assistant',
          reasoning_content: 'hm',
          tool_calls: [{ id, function: { arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: id, name: 'look' },
        { role: 'assistant' },
        { role: 'user', content: 'thanks' },
      ],
    });
  });

  test.each(['', '/', '/v1', '/v1/', '/openai/v1/'])(
    'finds the API behind base URL …%s',
    async (path) => {
      const all = await collect(call({}, { baseUrl: upstream.url + path }));
      expect(last(all)).toEqual({ type: 'done', stopReason: 'stop' });
    },
  );

  it('sends the key, and configured headers over the SDK’s own', async () => {
    await collect(call({}, { headers: { 'X-Team': 'blue', 'User-Agent': 'mine' } }));
    expect(upstream.requests[0]?.headers).toMatchObject({
      authorization: `Bearer ${SECRET}`,
      'x-team': 'blue',
      'user-agent': 'mine',
    });
  });

  it('sends no key where none is configured', async () => {
    await collect(call({}, { apiKey: '' }));
    expect(upstream.requests[0]?.headers).not.toHaveProperty('authorization');
  });

  it('is not sent at all if the model cannot do what it asks', async () => {
    const blind = { ...MODEL, input: ['text'] as const };
    const messages = [
      { role: 'user', content: [{ type: 'image', mimeType: 'image/png', data: 'AAAA' }] },
    ] as const;
    const found = failureOf(await collect(call({ model: blind, messages })));
    expect(found).toMatchObject({ kind: 'bad_request', retryable: false });
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('failures', () => {
  test.each([
    [400, 'invalid_request_error', 'bad_request', false],
    [400, 'context_length_exceeded', 'context_length', false],
    [400, 'content_filter', 'refusal', false],
    [401, 'invalid_api_key', 'auth', false],
    [403, 'forbidden', 'auth', false],
    [403, 'insufficient_user_quota', 'rate_limit', true],
    [404, 'model_not_found', 'bad_request', false],
    [408, 'timeout', 'timeout', true],
    [429, 'rate_limit_exceeded', 'rate_limit', true],
    [500, 'server_error', 'unavailable', true],
    [503, 'overloaded', 'unavailable', true],
    [529, 'overloaded', 'unavailable', true],
  ])('HTTP %i %s is %s, asked once', async (status, code, kind, retryable) => {
    upstream.script(failure(status, code, { message: `no, ${SECRET}, ${upstream.url}` }));
    const all = await collect(call());
    expect(all).toHaveLength(1);
    const found = failureOf(all);
    expect(found).toMatchObject({
      kind,
      retryable,
      status,
      provider: 'oneapi',
      model: 'test-model',
    });
    expect(found.message).toContain('oneapi');
    expect(JSON.stringify(found)).not.toContain(SECRET);
    expect(JSON.stringify(found)).not.toContain('127.0.0.1');
    expect(upstream.requests).toHaveLength(1);
  });

  it('carry how long upstream asks to wait', async () => {
    upstream.script(failure(429, 'rate_limit', { headers: { 'retry-after': '7' } }));
    expect(failureOf(await collect(call())).retryAfterMs).toBe(7_000);
  });

  it('survive HTML with an error status', async () => {
    upstream.script(html(502));
    expect(failureOf(await collect(call()))).toMatchObject({ kind: 'unavailable', status: 502 });
  });

  it('see through HTML with status 200: the base URL is wrong', async () => {
    upstream.script(html(200));
    const found = failureOf(await collect(call()));
    expect(found).toMatchObject({ kind: 'unavailable', status: 200 });
    expect(found.message).toContain('models.providers.oneapi.baseUrl');
  });

  it('may travel in the stream', async () => {
    upstream.script(events(text('so far'), errorEvent('server_error', `boom ${SECRET}`)));
    const all = await collect(call());
    expect(textOf(all)).toBe('so far');
    expect(failureOf(all)).toMatchObject({ kind: 'unavailable', retryable: true });
    expect(JSON.stringify(all)).not.toContain(SECRET);
  });

  test.each([
    ['mid-event', [text('so far'), 'data: {"choices":[{"del', CUT]],
    ['between events', [text('so far'), CUT]],
    ['politely, without a finish reason', [text('so far')]],
    ['with the end marker, but without a finish reason', [text('so far'), DONE]],
    [
      'with a finish reason that means a breakdown',
      [text('so far'), finish('network_error'), DONE],
    ],
    ['in words that are not JSON', [text('so far'), 'data: oops\n\n']],
  ])('notice a stream that ends %s', async (_how, body) => {
    upstream.script(events(...body));
    const all = await collect(call());
    expect(textOf(all)).toBe('so far');
    expect(failureOf(all)).toMatchObject({ kind: 'unavailable', retryable: true });
  });

  it('notice a connection that is refused', async () => {
    const { url } = upstream;
    await upstream.close();
    const found = failureOf(await collect(call({}, { baseUrl: url })));
    expect(found).toMatchObject({ kind: 'unavailable', retryable: true });
    expect(found.message).toContain('connection refused');
    upstream = await startOpenAiUpstream();
  });

  it('notice a connection that is closed without an answer', async () => {
    upstream.script({ refuse: true, body: [] });
    expect(failureOf(await collect(call()))).toMatchObject({
      kind: 'unavailable',
      retryable: true,
    });
  });

  it('notice a base URL that is none', async () => {
    const found = failureOf(await collect(call({}, { baseUrl: 'nonsense' })));
    expect(found).toMatchObject({ kind: 'bad_request', retryable: false });
  });

  it('notice headers that cannot be sent, without showing them', async () => {
    const found = failureOf(
      await collect(call({}, { headers: { 'X-Key': `${SECRET}\n` + 'x: y' } })),
    );
    expect(found.message).not.toContain(SECRET);
  });
});

describe('silence', () => {
  const hold = gate();
  test.each([
    ['before headers', { before: hold.promise, body: [] }, /did not answer within/],
    ['before the first token', events(role(), hold.promise), /sent nothing/],
    ['between tokens', events(text('so far'), hold.promise), /mid-answer/],
    ['in the body of an error', { status: 500, body: ['{"err', hold.promise] }, /did not answer/],
  ])('%s is a timeout that closes the connection', async (_when, reply, message) => {
    upstream.script(reply);
    const found = failureOf(await collect(call({}, { silenceMs: IMPATIENT_MS })));
    expect(found).toMatchObject({ kind: 'timeout', retryable: true });
    expect(found.message).toMatch(message);
    expect(await (await upstream.request(0)).closed).toBe('dropped');
  });

  it('after the finish reason costs nothing', async () => {
    upstream.script(events(text('all'), finish('stop'), hold.promise));
    const all = await collect(call({}, { silenceMs: IMPATIENT_MS }));
    expect(last(all)).toEqual({ type: 'done', stopReason: 'stop' });
  });

  it('is not the reader’s own slowness', async () => {
    upstream.script(answer('one two three'));
    const all: ProviderEvent[] = [];
    for await (const event of call({}, { silenceMs: IMPATIENT_MS })) {
      if (event.type === 'text')
        await new Promise((resolve) => setTimeout(resolve, IMPATIENT_MS * 2));
      all.push(event);
    }
    expect(last(all)).toEqual({ type: 'done', stopReason: 'stop' });
  });
});

describe('an abort', () => {
  const hold = gate();

  it('before the call sends nothing', async () => {
    const found = failureOf(await collect(call({ signal: AbortSignal.abort() })));
    expect(found).toMatchObject({ kind: 'aborted', retryable: false });
    expect(upstream.requests).toHaveLength(0);
  });

  it('before headers closes the connection', async () => {
    upstream.script({ before: hold.promise, body: [] });
    const controller = new AbortController();
    const collected = collect(call({ signal: controller.signal }));
    const { closed } = await upstream.request(0);
    controller.abort();
    expect(await closed).toBe('dropped');
    expect(failureOf(await collected)).toMatchObject({ kind: 'aborted' });
  });

  it('in mid-stream closes the connection while nobody reads', async () => {
    upstream.script(events(text('so far'), hold.promise, text('never')));
    const controller = new AbortController();
    const iterator = call({ signal: controller.signal })[Symbol.asyncIterator]();
    await readUntil(iterator, 'text');
    controller.abort();
    expect(await (await upstream.request(0)).closed).toBe('dropped');
    expect((await iterator.next()).value).toMatchObject({
      type: 'error',
      failure: { kind: 'aborted' },
    });
    expect((await iterator.next()).done).toBe(true);
  });

  it('while the next token is awaited ends the stream at once', async () => {
    upstream.script(events(text('so far'), hold.promise));
    const controller = new AbortController();
    const iterator = call({ signal: controller.signal })[Symbol.asyncIterator]();
    await readUntil(iterator, 'text');
    const next = iterator.next();
    controller.abort();
    expect((await next).value).toMatchObject({ type: 'error', failure: { kind: 'aborted' } });
  });

  it('after the end changes nothing', async () => {
    const controller = new AbortController();
    const all = await collect(call({ signal: controller.signal }));
    controller.abort();
    expect(last(all)).toEqual({ type: 'done', stopReason: 'stop' });
    expect(await (await upstream.request(0)).closed).toBe('finished');
  });

  it('by leaving the loop closes the connection', async () => {
    upstream.script(events(text('so far'), hold.promise));
    for await (const event of call()) if (event.type === 'text') break;
    expect(await (await upstream.request(0)).closed).toBe('dropped');
  });

  it('by return() while a token is awaited closes the connection', async () => {
    upstream.script(events(text('so far'), hold.promise));
    const iterator = call()[Symbol.asyncIterator]();
    await readUntil(iterator, 'text');
    const next = iterator.next();
    await iterator.return?.();
    expect(await (await upstream.request(0)).closed).toBe('dropped');
    await next;
  });
});

describe('many streams', () => {
  it('run side by side, each with its own answer, and leave no connection behind', async () => {
    upstream.when(says('count'), tokens(50));
    upstream.when(model('broken'), failure(500, 'server_error'));
    const adapter = openProvider('openai-completions', endpoint(upstream.url));
    const expected = Array.from({ length: 50 }, (_, index) => `t${index} `).join('');
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        index % 2 === 0
          ? collect(adapter(request({ messages: [user('please count')] })))
          : collect(adapter(request({ model: { ...MODEL, id: 'broken' } }))),
      ),
    );
    for (const [index, all] of answers.entries()) {
      if (index % 2 === 0) expect(textOf(all)).toBe(expected);
      else expect(failureOf(all).kind).toBe('unavailable');
    }
  });

  it('pass reasoning on as it comes', async () => {
    upstream.script(
      events(reasoning('a'), reasoning('b'), text('c'), finish('stop'), usage(3, 2, 1), DONE),
    );
    expect((await collect(call())).map((event) => event.type)).toEqual([
      'start',
      'reasoning',
      'reasoning',
      'reasoning_end',
      'text',
      'usage',
      'done',
    ]);
  });
});
