/** What single APIs answer in ways of their own; test/conformance has what all of them share. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiName } from '../../providers/registry.ts';
import { fixture as anthropic } from '../conformance/fixtures/anthropic-messages/fixture.ts';
import { fixture as gemini } from '../conformance/fixtures/google-generative-ai/fixture.ts';
import { errorOf, ordinaryEnd } from '../conformance/suite.ts';
import { openProvider } from '../support/provider.ts';
import { gate, type Piece, startUpstream, type Upstream } from '../support/upstream/http.ts';
import { collect, endpoint, failureOf, last, request, textOf, toolCallsOf } from './calls.ts';

let upstream: Upstream;
beforeEach(async () => {
  upstream = await startUpstream({ status: 500, body: [] });
});
afterEach(() => upstream.close());

const call = (api: ApiName) => collect(openProvider(api, endpoint(upstream.url))(request()));
const stream = (...body: Piece[]) => ({ headers: { 'content-type': 'text/event-stream' }, body });
const event = (fields: object) => `data: ${JSON.stringify(fields)}\n\n`;

describe('Gemini', () => {
  it('may name the time to wait in a header, which its SDK hides', async () => {
    const { status, body } = gemini.error(429, 'quota');
    const headers = { 'content-type': 'application/json', 'retry-after': '12' };
    upstream.script(errorOf({ status, body, headers }));
    expect(failureOf(await call('google-generative-ai'))).toMatchObject({
      kind: 'rate_limit',
      retryAfterMs: 12_000,
    });
  });

  it.each(['MALFORMED_FUNCTION_CALL', 'UNEXPECTED_TOOL_CALL'])(
    'that ends with %s has broken down, and may be asked again',
    async (finishReason) => {
      upstream.script(stream(event({ candidates: [{ finishReason }] })));
      expect(failureOf(await call('google-generative-ai'))).toMatchObject({
        kind: 'unavailable',
        retryable: true,
      });
    },
  );
});

describe('OpenAI Responses', () => {
  it.each([
    ['server_error', 'unavailable'],
    ['rate_limit_exceeded', 'rate_limit'],
    ['context_length_exceeded', 'context_length'],
  ])('that fail with %s are %s', async (code, kind) => {
    const error = { code, message: 'vendor words' };
    const delta = event({ type: 'response.output_text.delta', output_index: 0, delta: 'so far' });
    upstream.script(
      stream(delta, event({ type: 'response.failed', response: { status: 'failed', error } })),
    );
    const events = await call('openai-responses');
    expect(textOf(events)).toBe('so far');
    expect(failureOf(events)).toMatchObject({ kind });
  });

  it('may have their error one level deeper, as relays send it', async () => {
    const error = { type: 'invalid_request_error', message: 'maximum context length is 9 tokens' };
    upstream.script(stream(event({ type: 'error', error })));
    expect(failureOf(await call('openai-responses'))).toMatchObject({ kind: 'context_length' });
  });
});

describe('Anthropic', () => {
  const [started = ''] = anthropic.head;
  const block = (index: number, content_block: object) =>
    event({ type: 'content_block_start', index, content_block });

  it('may be relayed with a call’s whole input at its start', async () => {
    const input = { city: 'Paris' };
    const body = [
      started,
      block(0, { type: 'tool_use', id: 'toolu_1', name: 'look', input }),
      event({ type: 'content_block_stop', index: 0 }),
    ];
    upstream.script(stream(...body, ...anthropic.end('tool_use', 10)));
    const events = await call('anthropic-messages');
    expect(toolCallsOf(events)).toEqual([
      { id: 'toolu_1', name: 'look', arguments: '{"city":"Paris"}' },
    ]);
    expect(last(events)).toEqual({ type: 'done', stopReason: 'tool_use' });
  });

  it('may be relayed with the input at the start and in pieces: the pieces count', async () => {
    const piece = { type: 'input_json_delta', partial_json: '{"city":"Rome"}' };
    const body = [
      started,
      block(0, { type: 'tool_use', id: 'toolu_1', name: 'look', input: { city: 'Paris' } }),
      event({ type: 'content_block_delta', index: 0, delta: piece }),
      event({ type: 'content_block_stop', index: 0 }),
    ];
    upstream.script(stream(...body, ...anthropic.end('tool_use', 10)));
    expect(toolCallsOf(await call('anthropic-messages'))).toMatchObject([
      { arguments: '{"city":"Rome"}' },
    ]);
  });

  it('may be relayed without the names of its events', async () => {
    const nameless = [...anthropic.head, anthropic.token('ok'), ...ordinaryEnd(anthropic)].map(
      (each) => each.replace(/^event: .*\n/, ''),
    );
    upstream.script(stream(...nameless));
    const events = await call('anthropic-messages');
    expect(textOf(events)).toBe('ok');
    expect(last(events)).toEqual({ type: 'done', stopReason: 'stop' });
  });
});

describe('server-sent events', () => {
  const chat = (content: string) => JSON.stringify({ choices: [{ delta: { content } }] });
  const done = JSON.stringify({ choices: [{ delta: {}, finish_reason: 'stop' }] });

  it.each([
    ['no space after the colon', `data:${chat('a')}\n\ndata:${done}\n\n`],
    ['carriage returns', `data: ${chat('a')}\r\n\r\ndata: ${done}\r\n\r\n`],
    [
      'data on several lines',
      `data: {"choices":\ndata: [{"delta":{"content":"a"}}]}\n\ndata: ${done}\n\n`,
    ],
    [
      'other fields and comments',
      `: hello\nid: 1\nretry: 5\nevent: x\ndata: ${chat('a')}\n\n\n: bye\ndata: ${done}\n\n`,
    ],
    ['no blank line at the end', `data: ${chat('a')}\n\ndata: ${done}\n`],
    ['no line break at the end', `data: ${chat('a')}\n\ndata: ${done}`],
    ['a byte order mark', `\uFEFFdata: ${chat('a')}\n\ndata: ${done}\n\n`],
    [
      'more behind the end marker',
      `data: ${chat('a')}\n\ndata: ${done}\n\ndata: [DONE]\n\ndata: x\n\n`,
    ],
  ])('are read with %s', async (_how, bytes) => {
    upstream.script(stream(bytes));
    const events = await call('openai-completions');
    expect(textOf(events)).toBe('a');
    expect(last(events)).toEqual({ type: 'done', stopReason: 'stop' });
  });

  it('end with their end marker, whether or not the connection does', async () => {
    const bytes = `data: ${chat('a')}\n\ndata: ${done}\n\ndata: [DONE]\n\n`;
    upstream.script(stream(bytes, gate().promise));
    expect(last(await call('openai-completions'))).toEqual({ type: 'done', stopReason: 'stop' });
  }, 5_000);

  it('may not have a line without an end', async () => {
    const megabyte = 'x'.repeat(1024 * 1024);
    upstream.script(stream(...Array.from({ length: 20 }, () => megabyte)));
    expect(failureOf(await call('openai-completions')).message).toContain('cannot be read');
  });

  it('that are no JSON end the answer as unreadable, after what came before', async () => {
    upstream.script(stream(`data: ${chat('a')}\n\ndata: nonsense\n\ndata: ${done}\n\n`));
    const events = await call('openai-completions');
    expect(textOf(events)).toBe('a');
    expect(failureOf(events)).toMatchObject({ kind: 'unavailable' });
    expect(failureOf(events).message).toContain('cannot be read');
  });
});
