/** What every adapter makes of the answers of its API. */

import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import type { ProviderEvent, ProviderMessage } from '../../providers/contract.ts';
import {
  collect,
  failureOf,
  iterate,
  last,
  MODEL,
  reasoningOf,
  textOf,
  toolCallsOf,
  user,
} from '../providers/calls.ts';
import { gate, settled } from '../support/upstream/http.ts';
import {
  APIS,
  type Bench,
  loadFixture,
  openBench,
  ordinaryEnd,
  recorded,
  requireReadable,
  streamOf,
  wholeAnswer,
} from './suite.ts';

/** An answer as the next request returns it. */
function asMessage(api: string, events: readonly ProviderEvent[]): ProviderMessage {
  const content: Extract<ProviderMessage, { role: 'assistant' }>['content'][number][] = [];
  let thought = '';
  for (const event of events) {
    if (event.type === 'reasoning') thought += event.delta;
    if (event.type === 'reasoning_end') {
      const { signature } = event;
      content.push({
        type: 'reasoning',
        text: thought,
        api,
        ...(signature !== undefined && { signature }),
      });
      thought = '';
    }
    if (event.type === 'text') content.push({ type: 'text', text: event.delta });
  }
  for (const call of toolCallsOf(events)) content.push({ type: 'tool_call', ...call });
  return { role: 'assistant', content };
}

/** Text in one piece: where it is cut into deltas depends on what arrived together. */
function merged(events: readonly ProviderEvent[]): unknown[] {
  const apart = events.filter((event) => event.type !== 'text');
  return [textOf(events), ...apart];
}

/** An API that gives its calls no ids gets new ones here. */
function withoutIds(events: readonly unknown[]): unknown {
  return JSON.parse(JSON.stringify(events), (key, value: unknown) => (key === 'id' ? '' : value));
}

describe.each(APIS)('%s', async (api) => {
  const fixture = await loadFixture(api);
  const { streams } = fixture;
  let bench: Bench;
  beforeEach(async () => {
    await requireReadable(api, fixture);
    bench = await openBench(api);
  });
  afterEach(() => bench.close());

  const replay = async (file: string) => {
    bench.upstream.script(streamOf(fixture, recorded(api, file)));
    return await collect(bench.call());
  };

  it('says where its bytes come from', () => {
    expect(fixture.sources.length).toBeGreaterThan(0);
    expect(fixture.sources.every((source) => URL.canParse(source))).toBe(true);
  });

  it('reads a plain stream', async () => {
    const events = await replay(streams.plain.file);
    expect(events[0]).toEqual({ type: 'start', model: streams.plain.model });
    expect(textOf(events)).toBe(streams.plain.text);
    expect(events.at(-2)).toEqual({ type: 'usage', usage: streams.plain.usage });
    expect(last(events)).toEqual({ type: 'done', stopReason: 'stop' });
  });

  it('survives a chunk boundary anywhere, also in a character and in a line', async () => {
    const bytes = recorded(api, streams.plain.file);
    expect(bytes.length).toBeGreaterThan(streams.plain.text.length);
    for (let cut = 1; cut < bytes.length; cut += 1) {
      bench.upstream.script(streamOf(fixture, bytes.subarray(0, cut), bytes.subarray(cut)));
    }
    const expected = merged(await replayed(streams.plain.file));
    for (let cut = 1; cut < bytes.length; cut += 1) {
      expect(merged(await collect(bench.call())), `cut at byte ${cut}`).toEqual(expected);
    }
  }, 60_000);

  it('survives every byte in a segment of its own', async () => {
    const bytes = recorded(api, streams.tools.file);
    bench.upstream.script(streamOf(fixture, ...[...bytes].map((byte) => Uint8Array.of(byte))));
    expect(toolCallsOf(await collect(bench.call()))).toMatchObject(streams.tools.calls);
  });

  const replayed = async (file: string) => {
    const other = await openBench(api);
    other.upstream.script(streamOf(fixture, recorded(api, file)));
    const events = await collect(other.call());
    await other.close();
    return events;
  };

  it('joins a surrogate pair that was split across deltas', async () => {
    const tokens = ['a\ud83d', '\ude00b'].map((text) => fixture.token(text));
    bench.upstream.script(streamOf(fixture, ...fixture.head, ...tokens, ...ordinaryEnd(fixture)));
    const events = await collect(bench.call());
    expect(textOf(events)).toBe('a😀b');
    expect(events.every((event) => event.type !== 'text' || event.delta.isWellFormed())).toBe(true);
  });

  it('joins one that was split in a thought', async () => {
    const { head, piece } = fixture.thought;
    const thoughts = ['a\ud83d', '\ude00b'].map((text) => piece(text));
    bench.upstream.script(streamOf(fixture, ...head, ...thoughts, ...ordinaryEnd(fixture)));
    expect(reasoningOf(await collect(bench.call()))).toBe('a😀b');
  });

  const { toolCall } = fixture;
  const streamed = toolCall ? [toolCall] : [];
  it.for(streamed)('joins one that was split in a call’s arguments', async ({ head, piece }) => {
    const pieces = ['{"a":"\ud83d', '\ude00"}'].map((json) => piece(json));
    bench.upstream.script(streamOf(fixture, ...head, ...pieces, ...ordinaryEnd(fixture)));
    const calls = toolCallsOf(await collect(bench.call()));
    expect(calls.map((call) => call.arguments)).toEqual(['{"a":"😀"}']);
  });

  it.each(['null', '7', '"x"', '[null]', '{}', '{"choices":[null]}'])(
    'passes over a chunk that says nothing: %s',
    async (json) => {
      const odd = fixture.token('').replace(/\{.*\}/, json);
      const body = [...fixture.head, fixture.token('a'), odd, fixture.token('b')];
      bench.upstream.script(streamOf(fixture, ...body, ...ordinaryEnd(fixture)));
      const events = await collect(bench.call());
      expect(textOf(events)).toBe('ab');
      expect(last(events)).toEqual({ type: 'done', stopReason: 'stop' });
    },
  );

  it('accepts an empty answer', async () => {
    bench.upstream.script(streamOf(fixture, ...fixture.head, ...ordinaryEnd(fixture)));
    const events = await collect(bench.call());
    expect(textOf(events)).toBe('');
    expect(last(events)).toEqual({ type: 'done', stopReason: 'stop' });
  });

  it('puts tool calls together, several in parallel', async () => {
    const events = await replay(streams.tools.file);
    const calls = toolCallsOf(events);
    expect(calls.length).toBeGreaterThan(1);
    expect(calls).toMatchObject(streams.tools.calls);
    expect(new Set(calls.map((call) => call.id)).size).toBe(calls.length);
    expect(calls.every((call) => call.id !== '')).toBe(true);
    expect(last(events)).toEqual({ type: 'done', stopReason: 'tool_use' });
  });

  it('streams reasoning apart from text, and returns it as the API wants it', async () => {
    const events = await replay(streams.reasoning.file);
    expect(reasoningOf(events)).toBe(streams.reasoning.reasoning);
    expect(textOf(events)).toBe(streams.reasoning.text);
    const types = events.map((event) => event.type);
    expect(types.indexOf('reasoning_end')).toBeLessThan(types.indexOf('text'));

    bench.upstream.script(wholeAnswer(fixture, 'ok'), wholeAnswer(fixture, 'ok'));
    await collect(bench.call({ messages: [user('1'), asMessage(api, events), user('2')] }));
    for (const part of streams.reasoning.returned) {
      expect(bench.upstream.requests[1]?.bodyText).toContain(part);
    }
    const foreign = asMessage('another-api', events);
    await collect(bench.call({ messages: [user('1'), foreign, user('2')] }));
    for (const part of streams.reasoning.returned) {
      expect(bench.upstream.requests[2]?.bodyText).not.toContain(part);
    }
    expect(bench.upstream.requests[2]?.bodyText).toContain(streams.reasoning.text);
  });

  it('asks for reasoning only if it is wanted', async () => {
    bench.upstream.script(wholeAnswer(fixture, 'ok'), wholeAnswer(fixture, 'ok'));
    await collect(bench.call({ reasoning: 'high' }));
    await collect(bench.call({ reasoning: 'off' }));
    const [wanted, unwanted] = bench.upstream.requests;
    expect(wanted?.bodyText).not.toBe(unwanted?.bodyText);
  });

  it('returns tool calls with their signatures, and the results', async () => {
    const events = await replay(streams.tools.file);
    const calls = toolCallsOf(events);
    const results = calls.map((call) => ({
      type: 'tool_result' as const,
      id: call.id,
      name: call.name,
      content: `result of ${call.name}`,
      isError: false,
    }));
    bench.upstream.script(wholeAnswer(fixture, 'ok'));
    const messages = [
      user('1'),
      asMessage(api, events),
      { role: 'tool', content: results } as const,
    ];
    const tools = [
      { name: 'get_weather', description: 'Tells the weather.', parameters: { type: 'object' } },
    ];
    await collect(bench.call({ messages, tools }));
    const sent = bench.upstream.requests[1]?.bodyText ?? '';
    for (const call of calls) {
      expect(sent).toContain(`"${call.name}"`);
      expect(sent).toContain(`result of ${call.name}`);
      expect(sent).toContain(call.signature ?? '');
    }
    expect(sent).toContain('Tells the weather.');
  });

  it('sends an image, and refuses one that the model cannot see', async () => {
    const image = { type: 'image', mimeType: 'image/png', data: 'iVBORw0KGgo=' } as const;
    const messages = [
      { role: 'user', content: [{ type: 'text', text: 'What is it?' }, image] } as const,
    ];
    bench.upstream.script(wholeAnswer(fixture, 'a cat'));
    await collect(bench.call({ messages }));
    const { mimeType, data } = fixture.image(bench.upstream.requests[0]?.body);
    expect(data).toBe(image.data);
    expect(mimeType ?? image.mimeType).toBe(image.mimeType);

    const model = { ...MODEL, input: ['text'] as const };
    const refused = failureOf(await collect(bench.call({ messages, model })));
    expect(refused).toMatchObject({ kind: 'bad_request', retryable: false });
    expect(bench.upstream.requests).toHaveLength(1);
  });

  test.each(fixture.stops)('knows the end “%s” as %s', async (reason, stopReason) => {
    const body = [...fixture.head, fixture.token('x'), ...fixture.end(reason, 10)];
    bench.upstream.script(streamOf(fixture, ...body));
    expect(last(await collect(bench.call()))).toEqual({ type: 'done', stopReason });
  });

  it('knows a refusal', async () => {
    const events = await replay(streams.refusal.file);
    expect(textOf(events)).toBe(streams.refusal.text);
    const end = last(events);
    expect(end.type === 'error' ? end.failure.kind : end.type === 'done' && end.stopReason).toBe(
      streams.refusal.end,
    );
  });

  it('notices a prompt that was cut in silence: no room was left for an answer', async () => {
    const end = fixture.end(fixture.lengthStop, MODEL.contextWindow);
    bench.upstream.script(streamOf(fixture, ...fixture.head, ...end));
    expect(failureOf(await collect(bench.call()))).toMatchObject({
      kind: 'context_length',
      retryable: false,
    });
  });

  it('notices one that was cut although an answer came', async () => {
    const end = fixture.end(fixture.stops[0]?.[0] ?? '', MODEL.contextWindow + 1);
    const body = [...fixture.head, fixture.token('so far'), ...end];
    bench.upstream.script(streamOf(fixture, ...body), streamOf(fixture, ...body));
    const model = { ...MODEL, fullContextWindow: MODEL.contextWindow };
    const events = await collect(bench.call({ model }));
    expect(textOf(events)).toBe('so far');
    expect(failureOf(events)).toMatchObject({ kind: 'context_length' });
    // A window that is a guess, or what the operator uses of a greater one, is no bound of the model's.
    expect(last(await collect(bench.call()))).toEqual({
      type: 'done',
      stopReason: 'stop',
    });
  });

  it('refuses tools where the model has none', async () => {
    const tools = [{ name: 'look', description: '', parameters: { type: 'object' } }];
    const refused = failureOf(
      await collect(bench.call({ tools, model: { ...MODEL, tools: false } })),
    );
    expect(refused).toMatchObject({ kind: 'bad_request', retryable: false });
    expect(refused.message).toContain('without tools');
    expect(bench.upstream.requests).toHaveLength(0);
  });

  test.each(Object.entries(fixture.paths))(
    'finds the API behind base URL …%s',
    async (written, path) => {
      bench.upstream.script(wholeAnswer(fixture, 'ok'));
      const events = await collect(bench.call({}, { baseUrl: bench.upstream.url + written }));
      expect(last(events)).toEqual({ type: 'done', stopReason: 'stop' });
      expect(bench.upstream.requests[0]).toMatchObject({ method: 'POST', path });
    },
  );

  it('sends its key, and configured headers over the SDK’s own', async () => {
    bench.upstream.script(wholeAnswer(fixture, 'ok'));
    const [header, value] = fixture.authorization;
    await collect(
      bench.call({}, { apiKey: 'KEY', headers: { 'X-Team': 'blue', 'User-Agent': 'mine' } }),
    );
    expect(bench.upstream.requests[0]?.headers).toMatchObject({
      [header]: value,
      'x-team': 'blue',
      'user-agent': 'mine',
    });
  });

  it('says the same to those who take what comes and to those who ask for each event', async () => {
    for (const { file } of Object.values(streams)) {
      const answer = streamOf(fixture, recorded(api, file));
      bench.upstream.script(answer, answer);
      const taken = merged(await collect(bench.call()));
      expect(withoutIds(await iterate(bench.call()).then(merged))).toEqual(withoutIds(taken));
    }
  });

  it('leaves the connection of a caller that throws, and throws it on', async () => {
    bench.upstream.script(streamOf(fixture, ...fixture.head, fixture.token('so'), gate().promise));
    const mine = new Error('mine');
    const taking = bench.call().forEach?.((event) => {
      if (event.type === 'text') throw mine;
    });
    await expect(taking).rejects.toBe(mine);
    expect(await bench.upstream.requests[0]?.closed).toBe('dropped');
  });

  it('keeps its connection for the next call', async () => {
    for (let index = 0; index < 3; index += 1) {
      bench.upstream.script(wholeAnswer(fixture, 'ok'));
    }
    const adapter = bench.keep();
    for (let index = 0; index < 3; index += 1) {
      await collect(adapter());
      expect(await bench.upstream.requests[index]?.closed).toBe('finished');
      // The connection is free once the client has seen the end too.
      await settled();
    }
    expect(bench.upstream.requests.map((request) => request.connection)).toEqual([1, 1, 1]);
  });
});
