/** Long answers and many of them. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect, last, textOf, user } from '../providers/calls.ts';
import type { Reply } from '../support/upstream/http.ts';
import type { Fixture } from './fixture.ts';
import { APIS, type Bench, loadFixture, openBench, ordinaryEnd, requireReadable } from './suite.ts';

setFlagsFromString('--expose-gc');
// A context made after the flag was set has the function.
const collectGarbage: unknown = runInNewContext('gc');

function heapUsed(): number {
  if (typeof collectGarbage === 'function') collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** Made as it is sent: the server must not hold it either. */
function longAnswer(
  fixture: Fixture,
  pieces: number,
  piece: string,
  head: readonly string[] = fixture.head,
): Reply {
  function* body() {
    yield* head;
    for (let index = 0; index < pieces; index += 1) yield piece;
    yield* ordinaryEnd(fixture);
  }
  return { headers: { 'content-type': fixture.contentType }, body: { [Symbol.iterator]: body } };
}

/** What each kind of answer is made of: how it begins, its pieces, and the events that carry them. */
function kindsOf(fixture: Fixture) {
  const { head, thought, toolCall } = fixture;
  const text = { what: 'text', head, piece: (words: string) => fixture.token(words), in: 'text' };
  const reasoning = { what: 'reasoning', ...thought, in: 'reasoning' };
  const call = toolCall && { what: 'tool arguments', ...toolCall, in: 'tool_call_delta' };
  return [text, reasoning, ...(call ? [call] : [])];
}

describe.each(APIS)('%s', async (api) => {
  const fixture = await loadFixture(api);
  let bench: Bench;
  beforeEach(async () => {
    await requireReadable(api, fixture);
    bench = await openBench(api);
  });
  afterEach(() => bench.close());

  it.each(kindsOf(fixture))(
    'streams 10 MB of $what in constant memory',
    async (kind) => {
      const size = 4_096;
      const pieces = (10 * 1024 * 1024) / size;
      bench.upstream.script(longAnswer(fixture, pieces, kind.piece('x'.repeat(size)), kind.head));
      let received = 0;
      let early = 0;
      let late = 0;
      for await (const event of bench.call()) {
        if (event.type !== kind.in || !('delta' in event)) continue;
        received += event.delta.length;
        if (early === 0 && received >= 1024 * 1024) early = heapUsed();
        // While it runs: what an adapter gathers is let go at the end.
        if (received === pieces * size) late = heapUsed();
      }
      expect(received).toBe(pieces * size);
      expect(late - early).toBeLessThan(2 * 1024 * 1024);
    },
    60_000,
  );

  it('streams 200 answers at once, each its own', async () => {
    bench.upstream.when(
      () => true,
      (request) =>
        longAnswer(fixture, 20, fixture.token(`${/question \d+/.exec(request.bodyText)?.[0]};`)),
    );
    const adapter = bench.keep();
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        collect(adapter({ messages: [user(`question ${index}`)] })),
      ),
    );
    for (const [index, events] of answers.entries()) {
      expect(textOf(events)).toBe(`question ${index};`.repeat(20));
      expect(last(events)).toEqual({ type: 'done', stopReason: 'stop' });
    }
  }, 60_000);
});
