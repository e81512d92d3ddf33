/** What every adapter tells its API, read in the body that arrived there. */

import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import type { ProviderRequest } from '../../providers/contract.ts';
import { collect, MODEL, user } from '../providers/calls.ts';
import { CONVERSATION, leavesOf, PARTS, PLAIN_CONVERSATION, SAID } from './conversation.ts';
import { APIS, type Bench, loadFixture, openBench, requireReadable, wholeAnswer } from './suite.ts';

describe.each(APIS)('%s', async (api) => {
  const fixture = await loadFixture(api);
  let bench: Bench;
  beforeEach(async () => {
    await requireReadable(api, fixture);
    bench = await openBench(api);
  });
  afterEach(() => bench.close());

  /** The request as it came: body and path, since some APIs name the model there. */
  async function sent(more: Partial<ProviderRequest>) {
    bench.upstream.script(wholeAnswer(fixture, 'ok'));
    await collect(bench.call(more));
    const arrived = bench.upstream.requests.at(-1);
    if (!arrived) throw new Error('nothing was sent');
    return arrived;
  }

  /** As searchable text, numbers apart from each other. */
  async function told(more: Partial<ProviderRequest>): Promise<string> {
    const { body, path } = await sent(more);
    return [path, ...leavesOf(body)].join('\n');
  }

  it('tells the whole conversation, and nothing else', async () => {
    expect((await sent(CONVERSATION)).body).toEqual(fixture.request);
  });

  test.each(PARTS)('tells %s', async (_what, parts) => {
    const text = await told(PLAIN_CONVERSATION);
    for (const part of parts) expect(text).toContain(String(part));
  });

  it('tells what was said in its order', async () => {
    const text = await told(PLAIN_CONVERSATION);
    const places = SAID.map((words) => text.indexOf(words));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });

  it('takes each part from the request, not from a habit', async () => {
    const model = { ...MODEL, id: 'other-model', maxTokens: 777 };
    const messages = [user('Other words')];
    const text = await told({ model, system: 'Be long.', messages });
    for (const part of ['other-model', 'Be long.', 'Other words', '777']) {
      expect(text).toContain(part);
    }
    for (const [, parts] of PARTS) {
      for (const part of parts) expect(text).not.toContain(String(part));
    }
  });

  it('says in a later call what it would say in a first one', async () => {
    const later = { system: 'Be long.', messages: [user('Other words')] };
    bench.upstream.script(...Array.from({ length: 3 }, () => wholeAnswer(fixture, 'ok')));
    await collect(bench.call(later));
    const call = bench.keep();
    await collect(call());
    await collect(call(later));
    const [first, , second] = bench.upstream.requests;
    const said = (each: typeof first) => [each?.method, each?.path, each?.headers, each?.body];
    expect(said(second)).toEqual(said(first));
  });

  it('says nothing of a system prompt and tools that there are none of', async () => {
    const { bodyText } = await sent({ system: '', tools: [] });
    expect(bodyText).not.toMatch(/system|instructions|tools/i);
  });
});
