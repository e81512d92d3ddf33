/** Who is asked, when again, and who next: before the first token only. */

import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest';
import type { ConfiguredModel } from '../../agents/definition.ts';
import type { Endpoint } from '../../agents/endpoints.ts';
import { createModelCaller, type ModelCaller } from '../../agents/model-call.ts';
import { createBreaker, DEFAULT_BREAKER } from '../../providers/breaker.ts';
import type { ModelInfo, ProviderEvent, ProviderRequest } from '../../providers/contract.ts';
import type { ProviderFailure } from '../../providers/errors.ts';
import { createFairQueue } from '../../providers/fair-queue.ts';
import { MODEL, request } from '../providers/calls.ts';

const failed = (more: Partial<ProviderFailure> = {}): ProviderEvent => ({
  type: 'error',
  failure: {
    kind: 'unavailable',
    retryable: true,
    provider: 'p',
    model: 'm',
    message: 'is down',
    ...more,
  },
});
const answered: readonly ProviderEvent[] = [
  { type: 'start' },
  { type: 'text', delta: 'ok' },
  { type: 'done', stopReason: 'stop' },
];

/** Models that answer as scripted, one script for each call; everything that happens, in order. */
function scene(
  scripts: Readonly<Record<string, readonly (readonly ProviderEvent[])[]>>,
  more: {
    infos?: Readonly<Record<string, Partial<ModelInfo>>>;
    request?: Partial<ProviderRequest>;
    realPause?: boolean;
  } = {},
) {
  const happened: string[] = [];
  const models = Object.keys(scripts).map((id): ConfiguredModel => {
    const info = { ...MODEL, id, ...more.infos?.[id] };
    const endpoint = { id, baseUrl: '', apiKey: '', headers: {}, silenceMs: 1_000 };
    return { ref: `${id}/m`, api: 'demo', endpoint, info, maxConcurrentCalls: 1, name: id };
  });
  const made = new Map<string, Endpoint>();
  const endpointOf = ({ endpoint: { id } }: ConfiguredModel): Endpoint => {
    const known = made.get(id) ?? make(id);
    made.set(id, known);
    return known;
  };
  const make = (id: string): Endpoint => {
    const left = [...(scripts[id] ?? [])];
    return {
      adapter: async function* () {
        happened.push(`asked ${id}`);
        yield* left.shift() ?? answered;
      },
      breaker: createBreaker({ ...DEFAULT_BREAKER, now: () => 0 }),
      queue: createFairQueue({ limit: () => 1, maxWaiting: 1 }),
    };
  };
  const controller = new AbortController();
  const call = createModelCaller({
    endpoint: async (model) => endpointOf(model),
    log: () => {},
    random: () => 0.5,
    ...(!more.realPause && {
      pause: async (ms) => {
        happened.push(`waited ${ms}`);
        return true;
      },
    }),
  });
  const result = () =>
    call({
      models,
      request: (model) => request({ ...more.request, model: model.info }),
      signal: controller.signal,
      turnOf: 'alice',
      runId: 'run',
      bytes: 0,
      onModel: () => {},
      onEvent: (event) => {
        if (event.type !== 'start') happened.push(event.type);
      },
    });
  return { happened, result, controller };
}

describe('a model that fails before it says anything', () => {
  it('is asked again after a pause, which doubles, and then the next is', async () => {
    const { happened, result } = scene({ first: [[failed()], [failed()], [failed()]], second: [] });
    expect(await result()).toEqual({ type: 'done', stopReason: 'stop' });
    expect(happened).toEqual([
      'asked first',
      'waited 500',
      'asked first',
      'waited 1000',
      'asked first',
      'asked second',
      'text',
    ]);
  });

  it('is not asked before the time that it names, or not at all if that is long', async () => {
    const soon = scene({ only: [[failed({ retryAfterMs: 3_000 })]] });
    expect(await soon.result()).toMatchObject({ type: 'done' });
    expect(soon.happened).toEqual(['asked only', 'waited 3250', 'asked only', 'text']);
    const late = scene({ first: [[failed({ retryAfterMs: 60_000 })]], second: [] });
    expect(await late.result()).toMatchObject({ type: 'done' });
    expect(late.happened).toEqual(['asked first', 'asked second', 'text']);
  });

  it.each(['auth', 'bad_request', 'context_length', 'refusal'] as const)(
    'with %s is final',
    async (kind) => {
      const { happened, result } = scene({
        first: [[failed({ kind, retryable: false })]],
        second: [],
      });
      expect(await result()).toMatchObject({ type: 'error', failure: { kind } });
      expect(happened).toEqual(['asked first']);
    },
  );
});

function modelWith(apiKey: string): ConfiguredModel {
  const endpoint = { id: 'p', baseUrl: '', apiKey, headers: {}, silenceMs: 1_000 };
  return { ref: 'p/m', api: 'demo', endpoint, info: MODEL, maxConcurrentCalls: 1, name: 'm' };
}

test('after an edit no call goes by what was configured before, and nothing of that is taken up again', async () => {
  const model = modelWith('old');
  let configured = model;
  const keys: string[] = [];
  const callModel = createModelCaller({
    current: () => configured,
    endpoint: async ({ endpoint: { apiKey } }) => {
      keys.push(apiKey);
      return {
        async *adapter() {
          yield apiKey === 'old' ? failed() : { type: 'done', stopReason: 'stop' };
        },
        breaker: createBreaker({ ...DEFAULT_BREAKER, now: () => 0 }),
        queue: createFairQueue({ limit: () => 1, maxWaiting: 1 }),
      };
    },
    log: () => {},
    async pause() {
      configured = modelWith('new');
      keys.length = 0;
      return true;
    },
  });
  const result = await callModel({
    models: [model],
    request: (asked) => request({ model: asked.info }),
    signal: new AbortController().signal,
    turnOf: 'ann',
    runId: 'run',
    bytes: 0,
    onModel: () => {},
    onEvent: () => {},
  });
  expect(result).toEqual({ type: 'done', stopReason: 'stop' });
  expect(new Set(keys)).toEqual(new Set(['new']));
});

/** Calls a model of this endpoint for a user of this name, with a request that holds so many bytes of the store. */
function askOf(callModel: ModelCaller, id: string, name: string, bytes: number) {
  const model = modelWith('key');
  return callModel({
    models: [{ ...model, endpoint: { ...model.endpoint, id } }],
    request: () => request({ system: name }),
    signal: new AbortController().signal,
    turnOf: name,
    runId: name,
    bytes,
    onModel: () => {},
    onEvent: () => {},
  });
}

test('requests that are large wait for each other until upstream has them, small ones for nobody', async () => {
  const MIB = 1024 * 1024;
  const asked: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const gateOf = (name: string, step: string) => {
    const key = `${name} ${step}`;
    const known = gates.get(key) ?? Promise.withResolvers<void>();
    gates.set(key, known);
    return known;
  };
  const callModel = createModelCaller({
    endpoint: async () => ({
      async *adapter({ system }) {
        asked.push(system);
        await gateOf(system, 'head').promise;
        yield { type: 'start' };
        await gateOf(system, 'end').promise;
        yield { type: 'done', stopReason: 'stop' };
      },
      breaker: createBreaker({ ...DEFAULT_BREAKER, now: () => 0 }),
      queue: createFairQueue({ limit: () => 100, maxWaiting: 1 }),
    }),
    log: () => {},
    maxRequestBytes: 10 * MIB,
  });
  const ask = (name: string, bytes: number) => askOf(callModel, 'mock', name, bytes);
  const answers = [ask('a', 6 * MIB), ask('b', 6 * MIB), ask('c', 1_000)];
  await vi.waitFor(() => expect(asked.toSorted()).toEqual(['a', 'c']));
  // It has been taken: its answer goes on, and the next one is sent.
  gateOf('a', 'head').resolve();
  await vi.waitFor(() => expect(asked).toContain('b'));
  for (const name of ['a', 'b', 'c']) {
    gateOf(name, 'head').resolve();
    gateOf(name, 'end').resolve();
  }
  expect(await Promise.all(answers)).toEqual(
    answers.map(() => ({ type: 'done', stopReason: 'stop' })),
  );
});

test('an endpoint that takes large requests and says nothing holds up neither others nor what is small', async () => {
  const MIB = 1024 * 1024;
  const stalled = Promise.withResolvers<void>();
  const asked: string[] = [];
  const endpoints = new Map(
    ['stalls', 'works'].map((id): [string, Endpoint] => {
      const adapter: Endpoint['adapter'] = async function* ({ system }) {
        asked.push(system);
        if (id === 'stalls') await stalled.promise;
        yield { type: 'done', stopReason: 'stop' };
      };
      const breaker = createBreaker({ ...DEFAULT_BREAKER, now: () => 0 });
      // One more than requests of 3 MiB have room.
      const queue = createFairQueue({ limit: () => 2, maxWaiting: 10 });
      return [id, { adapter, breaker, queue }];
    }),
  );
  const callModel = createModelCaller({
    endpoint: async ({ endpoint: { id } }) => {
      const known = endpoints.get(id);
      if (!known) throw new Error(`There is no ${id}.`);
      return known;
    },
    log: () => {},
    maxRequestBytes: 8 * MIB,
  });
  const ask = (id: string, name: string, bytes: number) => askOf(callModel, id, name, bytes);
  const stuck = ['a', 'b', 'c'].map((name) => ask('stalls', name, 3 * MIB));
  await vi.waitFor(() => expect(asked).toEqual(['a']));
  expect(await ask('works', 'large', 3 * MIB)).toMatchObject({ type: 'done' });
  const small = ask('stalls', 'small', 1_000);
  await vi.waitFor(() => expect(asked).toEqual(['a', 'large', 'small']));
  stalled.resolve();
  expect(await Promise.all([...stuck, small])).toHaveLength(4);
  expect(asked.toSorted()).toEqual(['a', 'b', 'c', 'large', 'small']);
});

test('the first word of an answer opens the way for others to a model that was left alone', async () => {
  let time = 0;
  const breaker = createBreaker({ ...DEFAULT_BREAKER, failures: 1, now: () => time });
  breaker.admit()?.failed();
  time = DEFAULT_BREAKER.openMs;
  const ended = Promise.withResolvers<void>();
  const asked: string[] = [];
  const queue = createFairQueue({ limit: () => 10, maxWaiting: 10 });
  const callModel = createModelCaller({
    endpoint: async ({ endpoint: { id } }) => ({
      async *adapter() {
        asked.push(id);
        yield { type: 'text', delta: 'a' };
        await ended.promise;
        yield { type: 'done', stopReason: 'stop' };
      },
      breaker: id === 'p' ? breaker : createBreaker({ ...DEFAULT_BREAKER, now: () => time }),
      queue,
    }),
    log: () => {},
  });
  const model = modelWith('key');
  const standIn = { ...model, endpoint: { ...model.endpoint, id: 'stand-in' } };
  const ask = () => {
    const begun = Promise.withResolvers<void>();
    const result = callModel({
      models: [model, standIn],
      request: () => request(),
      signal: new AbortController().signal,
      turnOf: 'ann',
      runId: 'run',
      bytes: 0,
      onModel: () => {},
      onEvent: () => begun.resolve(),
    });
    return { begun: begun.promise, result };
  };
  const probe = ask();
  await probe.begun;
  const other = ask();
  await other.begun;
  expect(asked).toEqual(['p', 'p']);
  ended.resolve();
  expect(await probe.result).toMatchObject({ type: 'done' });
  expect(await other.result).toMatchObject({ type: 'done' });
});

test.each<[string, ProviderEvent]>([
  ['text', { type: 'text', delta: 'a' }],
  ['reasoning', { type: 'reasoning', delta: 'a' }],
  ['reasoning_end', { type: 'reasoning_end', signature: 's' }],
  ['tool_call_start', { type: 'tool_call_start', id: 'c', name: 'look' }],
])('once %s has come, a failure is final', async (type, event) => {
  const { happened, result } = scene({ first: [[{ type: 'start' }, event, failed()]], second: [] });
  expect(await result()).toMatchObject({ type: 'error', failure: { kind: 'unavailable' } });
  expect(happened).toEqual(['asked first', type]);
});

test('a start without a word is no answer yet', async () => {
  const lost = failed({ retryAfterMs: 60_000 });
  const { happened, result } = scene({ first: [[{ type: 'start' }, lost]], second: [] });
  expect(await result()).toMatchObject({ type: 'done' });
  expect(happened).toEqual(['asked first', 'asked second', 'text']);
});

describe('a stand-in that cannot take what is asked', () => {
  const image = { type: 'image', mimeType: 'image/png', data: 'AA==' } as const;
  const messages = [{ role: 'user', content: [image] }] as const;
  const infos = { blind: { input: ['text'] as const } };
  const down = failed({ retryAfterMs: 60_000, message: 'is down for maintenance' });
  const lacking: readonly ProviderEvent[] = [failed({ kind: 'bad_request', retryable: false })];

  it('does not hide why there is no answer', async () => {
    const { result } = scene(
      { first: [[down]], blind: [lacking] },
      { infos, request: { messages } },
    );
    expect(await result()).toMatchObject({ failure: { message: 'is down for maintenance' } });
  });

  it('is passed over for the next', async () => {
    const scripts = { first: [[down]], blind: [lacking], third: [] };
    const { result } = scene(scripts, { infos, request: { messages } });
    expect(await result()).toEqual({ type: 'done', stopReason: 'stop' });
  });

  it('is told where it was the first choice', async () => {
    const scripts = { blind: [lacking], second: [] };
    const { happened, result } = scene(scripts, { infos, request: { messages } });
    expect(await result()).toMatchObject({ failure: { kind: 'bad_request' } });
    expect(happened).toEqual(['asked blind']);
  });
});

describe('the pause itself', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** With the pause that is used outside of tests. */
  const real = () => scene({ only: [[failed()]], second: [] }, { realPause: true });

  it('takes its time', async () => {
    const { happened, result } = real();
    const ended = result();
    await vi.advanceTimersByTimeAsync(499);
    expect(happened).toEqual(['asked only']);
    await vi.advanceTimersByTimeAsync(1);
    expect(happened).toEqual(['asked only', 'asked only', 'text']);
    expect(await ended).toMatchObject({ type: 'done' });
  });

  it('ends with an abort, and asks nobody after it', async () => {
    const { happened, result, controller } = real();
    const ended = result();
    await vi.advanceTimersByTimeAsync(100);
    controller.abort();
    await vi.advanceTimersByTimeAsync(0);
    expect(await ended).toMatchObject({ type: 'error' });
    expect(happened).toEqual(['asked only']);
    expect(vi.getTimerCount()).toBe(0);
  });
});
