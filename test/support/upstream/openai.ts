/**
 * A fake One-API: speaks OpenAI's chat completions in their true bytes
 * (https://platform.openai.com/docs/api-reference/chat/streaming). Without a script it answers
 * `You said: <last user message>`, word by word, with usage.
 *
 *     const upstream = await startOpenAiUpstream();
 *     upstream.script(answer('Hello, world'));                    // the next request
 *     upstream.when(says('be slow'), tokens(500, { everyMs: 20 }));  // whatever process it comes from
 *     upstream.when(model('broken'), failure(500, 'server_error'));
 *     const hold = gate();
 *     upstream.script(events(text('Hel'), hold.promise, text('lo'), finish('stop'), DONE));
 *     …
 *     expect(await (await upstream.request(0)).closed).toBe('dropped');
 *     await upstream.close();
 *
 * Base URLs with `/v1` and with `/openai/v1` are both served; other paths answer 404 in JSON.
 */

import { type Match, type Piece, pause, type Reply, startUpstream, type Upstream } from './http.ts';

export { CUT, gate, type Reply, type Script, type Upstream } from './http.ts';

/** The SSE end marker. */
export const DONE = 'data: [DONE]\n\n';

const COMMON = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_760_000_000 };

export function startOpenAiUpstream(): Promise<Upstream> {
  return startUpstream((request) => {
    if (!/^\/(?:openai\/)?v1\/chat\/completions$/.test(request.path)) {
      return failure(404, 'not_found', { message: `no route ${request.path}` });
    }
    return answer(`You said: ${lastUserText(request.body)}`);
  });
}

/** Matches when the last user message contains `text`. */
export function says(text: string): Match {
  return (request) => lastUserText(request.body).includes(text);
}

/** Matches the model's name as sent upstream. */
export function model(name: string): Match {
  return ({ body }) => isRecord(body) && body['model'] === name;
}

/** The text of the last user message of a chat completions request. */
export function lastUserText(body: unknown): string {
  if (!isRecord(body) || !Array.isArray(body['messages'])) return '';
  const messages: unknown[] = body['messages'];
  const last = messages.filter(isRecord).findLast((message) => message['role'] === 'user');
  const content = last?.['content'];
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .filter(isRecord)
    .map((part) => (typeof part['text'] === 'string' ? part['text'] : ''))
    .join('');
}

/* ---- chunks: each is one SSE event ---- */

/** Any chunk, as it stands. */
export function chunk(fields: Record<string, unknown>): string {
  return `data: ${JSON.stringify({ ...COMMON, model: 'gpt-test', ...fields })}\n\n`;
}

export function delta(fields: Record<string, unknown>): string {
  return chunk({ choices: [{ index: 0, delta: fields, finish_reason: null }] });
}

export const role = (): string => delta({ role: 'assistant', content: '' });
export const text = (content: string): string => delta({ content });
export const reasoning = (content: string): string => delta({ reasoning_content: content });

/** A piece of a tool call: the first has `id` and `name`, the rest only `args`. */
export function toolCall(
  index: number,
  call: { id?: string; name?: string; args?: string },
): string {
  const { id, name, args } = call;
  return delta({
    tool_calls: [
      { index, ...(id && { id, type: 'function' }), function: { name, arguments: args } },
    ],
  });
}

export function finish(reason: string): string {
  return chunk({ choices: [{ index: 0, delta: {}, finish_reason: reason }] });
}

export function usage(prompt: number, completion: number, cached = 0): string {
  return chunk({
    choices: [],
    usage: {
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
      prompt_tokens_details: { cached_tokens: cached },
    },
  });
}

/** An error that travels in the stream after the headers. */
export function errorEvent(code: string, message: string): string {
  return `data: ${JSON.stringify({ error: { message, type: code, code } })}\n\n`;
}

/* ---- replies ---- */

/** A stream of exactly these events, gates and faults. */
export function events(...body: Piece[]): Reply {
  return { headers: { 'content-type': 'text/event-stream' }, body };
}

/** A whole, healthy answer, one word an event. */
export function answer(content: string, options: { finishReason?: string } = {}): Reply {
  const words = content.match(/\S+\s*|\s+/g) ?? [];
  return events(
    role(),
    ...words.map(text),
    finish(options.finishReason ?? 'stop'),
    usage(10, words.length),
    DONE,
  );
}

/** `count` tokens `t0 t1 t2 …`; `everyMs` milliseconds apart if given. Made as they are sent. */
export function tokens(count: number, options: { everyMs?: number } = {}): Reply {
  function* body(): Generator<Piece> {
    yield role();
    for (let index = 0; index < count; index += 1) {
      if (options.everyMs !== undefined) yield pause(options.everyMs);
      yield text(`t${index} `);
    }
    yield finish('stop');
    yield usage(10, count);
    yield DONE;
  }
  return {
    headers: { 'content-type': 'text/event-stream' },
    body: { [Symbol.iterator]: body },
  };
}

/** An HTTP error with OpenAI's body. */
export function failure(
  status: number,
  code: string,
  more: { message?: string; headers?: Record<string, string> } = {},
): Reply {
  const error = { message: more.message ?? `test ${code}`, type: code, code, param: null };
  return {
    status,
    headers: { 'content-type': 'application/json', ...more.headers },
    body: [JSON.stringify({ error })],
  };
}

/** What a proxy in front of the API answers. */
export function html(status: number): Reply {
  return {
    status,
    headers: { 'content-type': 'text/html' },
    body: ['<!doctype html><title>nginx</title><h1>Bad Gateway</h1>'],
  };
}

/** The same bytes, cut into pieces at these byte offsets. */
export function splitAt(reply: Reply, ...offsets: number[]): Reply {
  const bytes = Buffer.concat(
    [...reply.body].flatMap((piece) => {
      if (typeof piece === 'string') return [Buffer.from(piece)];
      return piece instanceof Uint8Array ? [piece] : [];
    }),
  );
  const edges = [0, ...offsets, bytes.length];
  return {
    ...reply,
    body: edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge)),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
