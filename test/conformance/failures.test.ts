/** What every adapter makes of an API that misbehaves. */

import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import {
  collect,
  failureOf,
  IMPATIENT_MS,
  last,
  readUntil,
  SECRET,
  textOf,
} from '../providers/calls.ts';
import { CUT, gate, pause, settled } from '../support/upstream/http.ts';
import {
  APIS,
  type Bench,
  errorOf,
  loadFixture,
  openBench,
  requireReadable,
  streamOf,
  wholeAnswer,
} from './suite.ts';

const STATUSES = [
  [400, 'bad_request', false],
  [401, 'auth', false],
  [403, 'auth', false],
  [404, 'bad_request', false],
  [408, 'timeout', true],
  [429, 'rate_limit', true],
  [500, 'unavailable', true],
  [503, 'unavailable', true],
  [529, 'unavailable', true],
] as const;

/** Never opened: what waits for it waits until the client leaves. */
const never = gate().promise;

describe.each(APIS)('%s', async (api) => {
  const fixture = await loadFixture(api);
  let bench: Bench;
  beforeEach(async () => {
    await requireReadable(api, fixture);
    bench = await openBench(api);
  });
  afterEach(() => bench.close());

  /** An answer that has begun: one token is out. */
  const begun = [...fixture.head, fixture.token('so far')];

  describe('answers of another status', () => {
    test.each(STATUSES)('%i is %s, and is not asked again', async (status, kind, retryable) => {
      bench.upstream.script(
        errorOf(fixture.error(status, `no: ${SECRET} at ${bench.upstream.url}`)),
      );
      const events = await collect(bench.call());
      expect(events).toHaveLength(1);
      expect(failureOf(events)).toMatchObject({
        kind,
        retryable,
        status,
        provider: 'oneapi',
        model: 'test-model',
        message: expect.stringContaining('oneapi'),
      });
      expect(bench.upstream.requests).toHaveLength(1);
    });

    it('429 may say how long to wait', async () => {
      bench.upstream.script(errorOf(fixture.rateLimit));
      const found = failureOf(await collect(bench.call()));
      expect(found).toMatchObject({ kind: 'rate_limit', retryAfterMs: 7_000 });
      expect(found.message).toContain('wait 7 s');
    });

    test.each(fixture.contextTooLong)('a context that is too long: $body', async (reply) => {
      bench.upstream.script(errorOf(reply));
      expect(failureOf(await collect(bench.call()))).toMatchObject({
        kind: 'context_length',
        retryable: false,
        status: reply.status,
      });
    });

    test.each(fixture.special ?? [])('$reply.body is $kind', async ({ reply, kind }) => {
      bench.upstream.script(errorOf(reply));
      expect(failureOf(await collect(bench.call()))).toMatchObject({ kind, status: reply.status });
    });

    it('HTML from a proxy is judged by its status', async () => {
      const headers = { 'content-type': 'text/html' };
      bench.upstream.script({ status: 502, headers, body: ['<h1>502 Bad Gateway</h1>'] });
      expect(failureOf(await collect(bench.call()))).toMatchObject({
        kind: 'unavailable',
        retryable: true,
        status: 502,
      });
    });

    it('a body that stalls is waited for shortly; what came of it counts', async () => {
      const limited = errorOf(fixture.rateLimit);
      bench.upstream.script({ ...limited, body: [...limited.body, never] });
      const where = { errorBodyMs: IMPATIENT_MS };
      const found = failureOf(await collect(bench.call({}, where)));
      expect(found).toMatchObject({ kind: 'rate_limit', status: 429, retryAfterMs: 7_000 });
      expect(await bench.upstream.requests[0]?.closed).toBe('dropped');
    });

    test.each([
      ['is half there', { errorBodyMs: IMPATIENT_MS }],
      ['outlasts our patience', { silenceMs: 5 * IMPATIENT_MS }],
    ])('a body that stalls and %s leaves the status', async (_how, where) => {
      const { body, ...head } = fixture.error(500, 'out of order');
      bench.upstream.script({ ...head, body: [body.slice(0, body.length / 2), never] });
      const found = failureOf(await collect(bench.call({}, where)));
      expect(found).toMatchObject({ kind: 'unavailable', retryable: true, status: 500 });
      expect(await bench.upstream.requests[0]?.closed).toBe('dropped');
    });

    it('a redirect is not followed with the key', async () => {
      const elsewhere = await openBench(api);
      const headers = { location: elsewhere.upstream.url };
      bench.upstream.script({ status: 307, headers, body: [] });
      elsewhere.upstream.script(wholeAnswer(fixture, 'stolen'));
      const events = await collect(bench.call());
      expect(elsewhere.upstream.requests.map((request) => request.headers)).not.toContainEqual(
        expect.objectContaining({ [fixture.authorization[0]]: expect.stringContaining(SECRET) }),
      );
      await elsewhere.close();
      expect(events).toHaveLength(1);
      const found = failureOf(events);
      expect(found).toMatchObject({ kind: 'bad_request', retryable: false, status: 307 });
      expect(found.message).toContain('redirects elsewhere; check models.providers.oneapi.baseUrl');
    });
  });

  describe('answers that are none', () => {
    it('a web page instead of a stream is not an empty answer', async () => {
      const headers = { 'content-type': 'text/html' };
      const page = '<!doctype html><title>One API</title>\n\n';
      bench.upstream.script({ headers, body: [page, never] });
      expect(failureOf(await collect(bench.call()))).toMatchObject({ kind: 'unavailable' });
      expect(await bench.upstream.requests[0]?.closed).toBe('dropped');
    });

    it.each([
      { error: { code: 'insufficient_user_quota', message: 'no credit', type: 'one_api_error' } },
      { error: { message: 'You exceeded your current quota.', type: 'insufficient_quota' } },
      { code: 'rate_limit_exceeded', message: 'slow down' },
    ])('an error with the status of success is that error: %j', async (error) => {
      const headers = { 'content-type': 'application/json; charset=utf-8' };
      bench.upstream.script({ headers, body: [JSON.stringify(error)] });
      expect(failureOf(await collect(bench.call()))).toMatchObject({ kind: 'rate_limit' });
    });

    it.each(['{"choices":[]}', '{"error":"something else"}', '{"error":', '[]'])(
      'another document leads to the address: %s',
      async (body) => {
        bench.upstream.script({ headers: { 'content-type': 'application/json' }, body: [body] });
        const failure = failureOf(await collect(bench.call()));
        expect(failure.kind).toBe('unavailable');
        expect(failure.message).toContain('document instead of a stream; check models.providers');
      },
    );

    it('an answer that is said to be packed by nothing is read', async () => {
      const whole = wholeAnswer(fixture, 'plain');
      bench.upstream.script({
        ...whole,
        headers: { ...whole.headers, 'content-encoding': 'none' },
      });
      expect(textOf(await collect(bench.call()))).toBe('plain');
    });

    it('a packed answer is told to be one', async () => {
      const headers = { 'content-type': fixture.contentType, 'content-encoding': 'gzip' };
      bench.upstream.script({ headers, body: [gzipSync('data: {}\n\n')] });
      expect(failureOf(await collect(bench.call())).message).toContain('packed');
    });

    test.each<[string, readonly Parameters<typeof streamOf>[1][]]>([
      ['is cut in mid-event', [...begun, fixture.token('never').slice(0, 20), CUT]],
      ['is cut between events', [...begun, CUT]],
      ['ends in mid-event', [...begun, fixture.token('never').slice(0, 20)]],
      ['ends without an end', begun],
    ])('a stream that %s was cut off', async (_how, body) => {
      bench.upstream.script(streamOf(fixture, ...body));
      const events = await collect(bench.call());
      expect(textOf(events)).toBe('so far');
      expect(failureOf(events)).toMatchObject({ kind: 'unavailable', retryable: true });
      expect(failureOf(events).message).toContain('cut off');
    });

    it('a stream without anything is a failure', async () => {
      bench.upstream.script(streamOf(fixture));
      expect(failureOf(await collect(bench.call()))).toMatchObject({ kind: 'unavailable' });
    });

    it('an error may come in mid-stream', async () => {
      const broken = [...begun, fixture.errorEvent(`boom ${SECRET}`), never];
      bench.upstream.script(streamOf(fixture, ...broken));
      const events = await collect(bench.call());
      expect(textOf(events)).toBe('so far');
      expect(failureOf(events).kind).toBe(fixture.errorEventKind);
      expect(await bench.upstream.requests[0]?.closed).toBe('dropped');
    });

    it('a connection may be refused, or closed without an answer', async () => {
      bench.upstream.script({ refuse: true, body: [] });
      const closed = failureOf(await collect(bench.call()));
      expect(closed).toMatchObject({ kind: 'unavailable', retryable: true });
      const gone = await openBench(api);
      await gone.close();
      const refused = failureOf(await collect(gone.call()));
      expect(refused).toMatchObject({ kind: 'unavailable', retryable: true });
    });
  });

  it.each([{ 'X-Team': 'a\nb' }, { 'X-Team': '日本' }, { 'X-Team': 'a\u0000' }])(
    'a header that cannot be sent is the configuration’s fault: %j',
    async (headers) => {
      const found = failureOf(await collect(bench.call({}, { headers })));
      expect(found).toMatchObject({ kind: 'bad_request', retryable: false });
      expect(found.message).toContain('models.providers.oneapi.headers');
      expect(bench.upstream.requests).toHaveLength(0);
    },
  );

  describe('silence', () => {
    const { head, keepAlive } = fixture;
    const lively = keepAlive === null ? [] : [keepAlive];
    it.for(lively)('is not ended by what keeps the connection open: %j', async (sign) => {
      function* body() {
        yield* head;
        for (;;) {
          yield sign;
          yield pause(IMPATIENT_MS / 6);
        }
      }
      bench.upstream.script({
        headers: { 'content-type': fixture.contentType },
        body: { [Symbol.iterator]: body },
      });
      const found = failureOf(await collect(bench.call({}, { silenceMs: IMPATIENT_MS })));
      expect(found).toMatchObject({ kind: 'timeout', retryable: true });
    });

    test.each([
      // The first call of an adapter loads its SDK: the request must be on its way before patience ends.
      ['before the headers', { before: never, body: [] }, 20 * IMPATIENT_MS],
      ['before the first token', streamOf(fixture, ...fixture.head, never), 5 * IMPATIENT_MS],
      ['between tokens', streamOf(fixture, ...begun, never), 5 * IMPATIENT_MS],
    ])('%s is a timeout, and closes the connection', async (_when, reply, silenceMs) => {
      bench.upstream.script(reply);
      const found = failureOf(await collect(bench.call({}, { silenceMs })));
      expect(found).toMatchObject({ kind: 'timeout', retryable: true });
      expect(await (await bench.upstream.request(0)).closed).toBe('dropped');
    });
  });

  describe('an abort', () => {
    test.each([
      ['before the headers', { before: never, body: [] }],
      ['before the first token', streamOf(fixture, ...fixture.head, never)],
    ])('%s closes the connection at once', async (_when, reply) => {
      bench.upstream.script(reply);
      const controller = new AbortController();
      const collected = collect(bench.call({ signal: controller.signal }));
      const { closed } = await bench.upstream.request(0);
      controller.abort();
      expect(await closed).toBe('dropped');
      expect(failureOf(await collected)).toMatchObject({ kind: 'aborted', retryable: false });
    });

    it('in mid-stream closes the connection, also while nobody reads', async () => {
      bench.upstream.script(streamOf(fixture, ...begun, never));
      const controller = new AbortController();
      const iterator = bench.call({ signal: controller.signal })[Symbol.asyncIterator]();
      await readUntil(iterator, 'text');
      controller.abort();
      expect(await (await bench.upstream.request(0)).closed).toBe('dropped');
      const rest = await collect({ [Symbol.asyncIterator]: () => iterator });
      expect(failureOf(rest).kind).toBe('aborted');
    });

    it('after the end changes nothing', async () => {
      bench.upstream.script(wholeAnswer(fixture, 'all'));
      const controller = new AbortController();
      const events = await collect(bench.call({ signal: controller.signal }));
      controller.abort();
      expect(last(events)).toEqual({ type: 'done', stopReason: 'stop' });
      expect(await bench.upstream.requests[0]?.closed).toBe('finished');
    });

    it('by leaving the loop closes the connection', async () => {
      bench.upstream.script(streamOf(fixture, ...begun, never));
      for await (const event of bench.call()) if (event.type === 'text') break;
      expect(await (await bench.upstream.request(0)).closed).toBe('dropped');
    });

    it('by return() while a token is awaited closes the connection', async () => {
      bench.upstream.script(streamOf(fixture, ...begun, never));
      const iterator = bench.call()[Symbol.asyncIterator]();
      await readUntil(iterator, 'text');
      const awaited = iterator.next();
      await settled();
      await iterator.return?.();
      expect(await (await bench.upstream.request(0)).closed).toBe('dropped');
      await awaited;
    });
  });
});
