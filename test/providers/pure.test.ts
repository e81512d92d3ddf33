/** The parts of the providers that need no network. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { array, assert, nat, property, string } from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest';
import { createAnswerEvents, createPairJoiner } from '../../providers/answer-events.ts';
import { splitBaseUrl, withVersion } from '../../providers/base-url.ts';
import { fitToModel } from '../../providers/capabilities.ts';
import type { ProviderMessage } from '../../providers/contract.ts';
import { classify, networkCode, type UpstreamError } from '../../providers/failures.ts';
import { openAiCompat } from '../../providers/openai-compat.ts';
import { API_NAMES, isApiName, loadAdapter } from '../../providers/registry.ts';
import { retryAfterMs } from '../../providers/retry-after.ts';
import { createSilenceTimer } from '../../providers/silence.ts';
import { countAt } from '../../providers/wire.ts';
import { kindByWording } from '../../providers/wording.ts';
import { collect, endpoint, MODEL, request, toolCallsOf, user } from './calls.ts';

describe('base URLs', () => {
  test.each([
    ['https://host', 'https://host/v1'],
    ['https://host/', 'https://host/v1'],
    ['https://host/v1', 'https://host/v1'],
    ['https://host/v1/', 'https://host/v1'],
    ['https://host/openai/v1/', 'https://host/openai/v1'],
    ['https://host/api/paas/v4', 'https://host/api/paas/v4'],
    ['https://host/v1beta/openai', 'https://host/v1beta/openai'],
    ['https://v1.host/relay', 'https://v1.host/relay/v1'],
  ])('%s is called as %s', (written, called) => {
    expect(withVersion(written, 'v1')).toBe(called);
  });

  test.each([
    ['https://host', { root: 'https://host' }],
    ['https://host/v1/', { root: 'https://host', version: 'v1' }],
    ['https://host/relay/v1beta', { root: 'https://host/relay', version: 'v1beta' }],
    ['https://host/v2alpha1', { root: 'https://host', version: 'v2alpha1' }],
    ['https://host/vault', { root: 'https://host/vault' }],
  ])('%s is split', (written, parts) => {
    expect(splitBaseUrl(written)).toEqual(parts);
  });
});

describe('counts of an upstream', () => {
  test.each([
    ['7', 7],
    ['10.5', 10],
    ['0.5', 0],
    ['-3', 0],
    ['1e20', 1e12],
    ['9007199254740993', 1e12],
    ['1e999', 0],
    ['-1e999', 0],
    ['"7"', 0],
    ['null', 0],
  ])('%s is read as %s', (written, expected) => {
    const usage: unknown = JSON.parse(`{"n":${written}}`);
    expect(countAt(usage, 'n')).toBe(expected);
  });
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 0, 1, 12, 0, 0);
  test.each<[Record<string, string>, number | undefined]>([
    [{ 'retry-after': '20' }, 20_000],
    [{ 'retry-after': '1.5' }, 1_500],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': 'Thu, 01 Jan 2026 12:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Thu, 01 Jan 2026 11:00:00 GMT' }, 0],
    [{ 'retry-after-ms': '350', 'retry-after': '20' }, 350],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '-5' }, undefined],
    [{ 'retry-after': '' }, undefined],
    [{}, undefined],
  ])('%j is %s ms', (headers, expected) => {
    expect(retryAfterMs(new Headers(headers), now)).toBe(expected);
  });
});

describe('vendors’ wording', () => {
  // Sentences as the vendors' documentation or servers give them, numbers changed.
  test.each([
    [
      "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
    ],
    [
      'Your input exceeds the context window of this model. Please adjust your input and try again.',
    ],
    ['prompt is too long: 210000 tokens > 200000 maximum'],
    ['input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000'],
    ['The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).'],
    ["This model's maximum prompt length is 131072 but the request contains 537000 tokens."],
    ['Please reduce the length of the messages or completion.'],
    ['the request exceeds the available context size, try increasing it'],
    [
      'Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
    ],
    ['Invalid request: Your request exceeded model token limit: 8192'],
    ['the input length exceeds the context length'],
    ['Input is too long for requested model.'],
  ])('%s', (sentence) => {
    expect(kindByWording(['invalid_request_error'], sentence, 400)).toBe('context_length');
  });

  it('never turns a rate limit or a bad key into something else', () => {
    expect(kindByWording([], 'Too many tokens per minute', 429)).toBeUndefined();
    expect(kindByWording(['context_length_exceeded'], '', 401)).toBeUndefined();
  });

  it('finds a context that is too long behind a vague code', () => {
    expect(kindByWording(['server_error'], 'prompt is too long', 500)).toBe('context_length');
  });

  it('says nothing of what it does not know', () => {
    expect(
      kindByWording(['invalid_request_error'], 'temperature must be below 2', 400),
    ).toBeUndefined();
  });
});

const classified = (error: UpstreamError) =>
  classify(endpoint('http://secret.example/v1'), request().model, error, 0);

describe('failures', () => {
  test.each([
    [400, 'bad_request', false],
    [401, 'auth', false],
    [402, 'rate_limit', true],
    [403, 'auth', false],
    [404, 'bad_request', false],
    [408, 'timeout', true],
    [409, 'unavailable', true],
    [413, 'bad_request', false],
    [422, 'bad_request', false],
    [429, 'rate_limit', true],
    [500, 'unavailable', true],
    [502, 'unavailable', true],
    [503, 'unavailable', true],
    [504, 'timeout', true],
    [529, 'unavailable', true],
  ])('HTTP %i is %s', (status, kind, retryable) => {
    expect(classified({ status })).toMatchObject({ kind, retryable, status, provider: 'oneapi' });
  });

  test.each([
    ['ECONNREFUSED', 'unavailable', /connection refused/],
    ['ENOTFOUND', 'unavailable', /does not resolve/],
    ['CERT_HAS_EXPIRED', 'unavailable', /certificate/],
    ['UND_ERR_CONNECT_TIMEOUT', 'timeout', /too long/],
    ['ERR_INVALID_URL', 'bad_request', /models\.providers\.oneapi\.baseUrl/],
    ['ESOMETHING', 'unavailable', /could not be reached/],
  ])('%s is %s', (network, kind, message) => {
    expect(classified({ network })).toMatchObject({
      kind,
      message: expect.stringMatching(message),
    });
  });

  it('name provider, model, status and the wait, and nothing that upstream said', () => {
    const failure = classified({
      status: 429,
      headers: new Headers({ 'retry-after': '20' }),
      text: 'key sk-live-123 of org-9 is over its limit',
    });
    expect(failure.retryAfterMs).toBe(20_000);
    expect(failure.message).toBe(
      'Provider oneapi is limiting requests, or the account has no quota left; it asks to wait 20 s (model test-model, HTTP 429).',
    );
  });

  it('read the code at the end of a chain of causes, and survive a circular one', () => {
    const root = Object.assign(new Error('x'), { code: 'ECONNRESET' });
    expect(networkCode(new Error('a', { cause: new Error('b', { cause: root }) }))).toBe(
      'ECONNRESET',
    );
    const loop = new Error('loop');
    loop.cause = loop;
    expect(networkCode(loop)).toBeUndefined();
  });
});

describe('surrogate pairs', () => {
  it('survive any split of any text', () => {
    assert(
      property(string({ unit: 'grapheme' }), array(nat(), { maxLength: 8 }), (text, cuts) => {
        const edges = [...new Set([0, ...cuts.map((cut) => cut % (text.length + 1)), text.length])];
        edges.sort((a, b) => a - b);
        const joiner = createPairJoiner();
        const deltas = edges
          .slice(1)
          .map((edge, index) => joiner.join(text.slice(edges[index], edge)));
        deltas.push(joiner.flush());
        expect(deltas.every((delta) => delta.isWellFormed())).toBe(true);
        expect(deltas.join('')).toBe(text);
      }),
    );
  });

  it('are well-formed even if upstream is not', () => {
    assert(
      property(array(string({ unit: 'binary' })), (pieces) => {
        const joiner = createPairJoiner();
        const joined = pieces.map((piece) => joiner.join(piece)).join('') + joiner.flush();
        expect(joined).toBe(pieces.join('').toWellFormed());
      }),
    );
  });
});

describe('an answer’s events', () => {
  it('close what was opened, in order, and put the usage last', () => {
    const answer = createAnswerEvents(() => 'new');
    answer.start('m');
    answer.start('ignored');
    answer.reasoning('hm');
    answer.usage({ input: 1, output: 2, cacheRead: 3, cacheWrite: 4 });
    answer.text('so');
    answer.toolCall(0, { name: 'look' });
    answer.toolArguments(0, '{}');
    answer.toolArguments(7, 'nobody');
    answer.finish();
    const events = answer.take();
    expect(events.map((event) => event.type)).toEqual([
      'start',
      'reasoning',
      'reasoning_end',
      'text',
      'tool_call_start',
      'tool_call_delta',
      'tool_call_end',
      'usage',
    ]);
    expect(toolCallsOf(events)).toEqual([{ id: 'call_new', name: 'look', arguments: '{}' }]);
    expect(events.at(-1)).toMatchObject({ usage: { total: 10 } });
    expect(answer.take()).toEqual([]);
  });
});

describe('a surrogate pair that a call comes between', () => {
  const written = (type: 'text' | 'reasoning') => {
    const answer = createAnswerEvents();
    answer[type]('a\ud83d');
    answer.toolCall(0, { name: 'look' });
    answer.toolArguments(0, '{}');
    answer[type]('\ude00b');
    answer.finish();
    return answer.take().flatMap((event) => (event.type === type ? [event.delta] : []));
  };

  it.each(['text', 'reasoning'] as const)('is kept in %s', (type) => {
    expect(written(type).join('')).toBe('a😀b');
  });

  it('is replaced where its other half never comes', () => {
    const answer = createAnswerEvents();
    answer.reasoning('a\ud83d');
    answer.text('b');
    answer.finish();
    expect(answer.take()).toEqual([
      { type: 'reasoning', delta: 'a' },
      { type: 'reasoning_end' },
      { type: 'text', delta: 'b' },
      { type: 'reasoning', delta: '\ufffd' },
      { type: 'reasoning_end' },
    ]);
  });

  it('is replaced before a signature, which is for what was thought so far', () => {
    const answer = createAnswerEvents();
    answer.reasoning('a\ud83d');
    answer.reasoningEnd('s');
    expect(answer.take()).toEqual([
      { type: 'reasoning', delta: 'a\ufffd' },
      { type: 'reasoning_end', signature: 's' },
    ]);
  });
});

describe('the silence timer', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('fires when nothing comes, and not while the reader is busy', () => {
    const silent = vi.fn<() => void>();
    const timer = createSilenceTimer(100, silent);
    timer.expect();
    vi.advanceTimersByTime(99);
    timer.heard();
    vi.advanceTimersByTime(1_000);
    expect(silent).not.toHaveBeenCalled();
    timer.expect();
    vi.advanceTimersByTime(99);
    expect(silent).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(silent).toHaveBeenCalledOnce();
  });

  it('starts anew with each token, and stops', () => {
    const silent = vi.fn<() => void>();
    const timer = createSilenceTimer(100, silent);
    for (let token = 0; token < 10; token += 1) {
      timer.expect();
      vi.advanceTimersByTime(60);
      timer.heard();
    }
    timer.stop();
    vi.advanceTimersByTime(1_000);
    expect(silent).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('capabilities', () => {
  const picture: ProviderMessage = {
    role: 'user',
    content: [{ type: 'image', mimeType: 'image/png', data: 'AA==' }],
  };
  const blind = { ...MODEL, input: ['text'] as const };

  it('refuse an image that is asked about now', () => {
    expect(fitToModel(request({ model: blind, messages: [picture] }))).toEqual({
      lacks: expect.stringContaining('cannot take images'),
    });
  });

  it('replace an image of the past by a remark', () => {
    const messages = [picture, user('and now?')];
    const fitted = fitToModel(request({ model: blind, messages }));
    expect(JSON.stringify(fitted)).not.toContain('image/png');
    expect(JSON.stringify(fitted)).toContain('image stood here');
    expect(messages[0]).toBe(picture);
  });

  it('refuse reasoning of a model that has none', () => {
    const model = { ...MODEL, reasoning: false };
    expect(fitToModel(request({ model, reasoning: 'high' }))).toHaveProperty('lacks');
  });

  it('bound the answer by the model', () => {
    const model = { ...MODEL, maxTokens: 100 };
    const bound = (maxOutputTokens?: number) => {
      const fitted = fitToModel(
        request({ model, ...(maxOutputTokens !== undefined && { maxOutputTokens }) }),
      );
      return 'request' in fitted ? fitted.request.maxOutputTokens : undefined;
    };
    expect(bound()).toBe(100);
    expect(bound(500)).toBe(100);
    expect(bound(20)).toBe(20);
  });
});

describe('OpenAI-compatible endpoints', () => {
  it('are told apart by host and model, and the configuration has the last word', () => {
    expect(openAiCompat('https://api.openai.com/v1', 'gpt-4o').maxTokensField).toBe(
      'max_completion_tokens',
    );
    expect(openAiCompat('https://relay.example', 'gpt-4o').maxTokensField).toBe('max_tokens');
    expect(openAiCompat('https://relay.example', 'gpt-5-mini')).toMatchObject({
      maxTokensField: 'max_completion_tokens',
      systemRole: 'developer',
    });
    expect(openAiCompat('https://api.mistral.ai', 'any').requiresShortToolIds).toBe(true);
    expect(openAiCompat('https://notmistral.ai', 'any').requiresShortToolIds).toBe(false);
    expect(openAiCompat('not a url', 'o3', { systemRole: 'user' }).systemRole).toBe('user');
  });
});

/** Prints which SDKs a fresh process has asked for, before and after the first use of one of them. */
const WATCH_IMPORTS = `
import { registerHooks } from 'node:module';
const asked = new Set();
registerHooks({ resolve: (name, context, next) => (asked.add(name), next(name, context)) });
const sdks = () => ['openai', '@anthropic-ai/sdk', '@google/generative-ai'].filter((n) => asked.has(n));
const { loadAdapter } = await import(process.argv[1]);
const before = sdks();
await loadAdapter('anthropic-messages');
console.log(JSON.stringify([before, sdks()]));
`;

describe('the registry', () => {
  it('knows its names and loads what they stand for', async () => {
    expect(API_NAMES).toContain('openai-completions');
    expect(isApiName('openai-completions')).toBe(true);
    expect(isApiName('toString')).toBe(false);
    const createAdapter = await loadAdapter('demo');
    const stream = createAdapter(endpoint(''))(request({ signal: AbortSignal.abort() }));
    expect(await collect(stream)).toMatchObject([{ type: 'error', failure: { kind: 'aborted' } }]);
  });

  it('imports an SDK when it is first used, and no other', async () => {
    const registry = new URL('../../providers/registry.ts', import.meta.url).href;
    const script = ['--input-type=module', '-e', WATCH_IMPORTS, registry];
    const { stdout } = await promisify(execFile)(process.execPath, script);
    expect(JSON.parse(stdout)).toEqual([[], ['@anthropic-ai/sdk']]);
  });
});
