/** When runs begin: not all at once, and not before what they answer is durable. */

import { describe, expect, it, onTestFinished, test, vi } from 'vitest';
import type { AgentDefinition } from '../../agents/definition.ts';
import type { StreamEvent } from '../../agents/model-call.ts';
import type { Principal } from '../../agents/principal.ts';
import type { RunEnd } from '../../agents/run.ts';
import { createRuns, type RunsOptions } from '../../agents/runs.ts';
import { IN_MEMORY } from '../../agents/sessions/database.ts';
import type { LogSync } from '../../agents/sessions/log-sync.ts';
import { openSessionStore } from '../../agents/sessions/sqlite-store.ts';
import { type Answer, StoreUnavailableError } from '../../agents/sessions/store.ts';
import type { Usage } from '../../providers/contract.ts';
import { MODEL } from '../providers/calls.ts';
import { settled } from '../support/upstream/http.ts';
import { alice, bob, KEY, temporaryFile, turn } from './sessions/samples.ts';

const HERD = 24;

const agent: AgentDefinition = {
  id: 'main',
  systemPrompt: '',
  models: [
    {
      ref: 'p/m',
      api: 'demo',
      endpoint: { id: 'p', baseUrl: '', apiKey: '', headers: {}, silenceMs: 1_000 },
      info: MODEL,
      maxConcurrentCalls: 1,
      name: 'm',
    },
  ],
  thinking: 'off',
  reasoning: 'off',
  timeoutMs: 60_000,
  mediaMaxBytes: 0,
};

const none = () => 0;

const common: Omit<RunsOptions, 'store' | 'callModel'> = {
  catalog: () => ({
    agents: new Map([['main', agent]]),
    models: new Map(),
    defaultAgentId: 'main',
  }),
  listener: { started() {}, delta() {}, reasoning() {}, ended() {} },
  now: Date.now,
  checkpointMs: () => 250,
  maxQueuedPerSession: none,
  maxConcurrent: none,
  maxPerUser: none,
  maxAnswerChars: () => 1_000,
  onBug(error) {
    throw error;
  },
};

function busy(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test('a herd of messages does not begin in one turn of the event loop', async () => {
  const store = openSessionStore({ path: IN_MEMORY });
  let turnNumber = 0;
  let counting = true;
  const count = () => {
    turnNumber += 1;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  const begun: number[] = [];
  const runs = createRuns({
    ...common,
    store,
    async callModel() {
      begun.push(turnNumber);
      // A context and a request take about so long.
      busy(3);
      return { type: 'done', stopReason: 'stop' };
    },
  });
  const users = Array.from({ length: HERD }, (_, n) => ({ userId: `u${n}`, instanceId: 'i' }));
  await Promise.all(users.map((principal) => runs.send(principal, 'main', turn('r'))));
  await runs.drain(30_000);
  counting = false;
  expect(begun).toHaveLength(HERD);
  // 3 ms each against 2 ms of a turn: one, and some more where a turn of the budget begins within this count's.
  const perTurn = Map.groupBy(begun, (each) => each);
  expect(Math.max(...[...perTurn.values()].map((each) => each.length))).toBeLessThanOrEqual(4);
  await store.close();
});

/** A disk that is at work for as long as it is held. */
function slowDisk() {
  let held: (() => void) | undefined;
  let isHeld = false;
  const sync: LogSync = {
    begin(done) {
      const end = () => done(null);
      if (isHeld) held = end;
      else setImmediate(end);
    },
    atOnce() {},
    close() {},
  };
  return {
    sync,
    hold() {
      isHeld = true;
    },
    release() {
      isHeld = false;
      held?.();
    },
  };
}

test('no model is called before the message that it answers is durable', async () => {
  const disk = slowDisk();
  const store = openSessionStore({ path: temporaryFile(), logSync: disk.sync });
  onTestFinished(() => store.close());
  let calls = 0;
  const runs = createRuns({
    ...common,
    store,
    async callModel() {
      calls += 1;
      return { type: 'done', stopReason: 'stop' };
    },
  });
  disk.hold();
  const sending = runs.send(alice, KEY, turn('r'));
  await expect.poll(() => store.run(alice, KEY, 'r')?.state).toBe('running');
  await settled();
  expect(calls).toBe(0);
  disk.release();
  expect((await sending).outcome).toBe('accepted');
  await expect.poll(() => calls).toBe(1);
  await runs.drain(1_000);
});

/** One run, by a model that does as it is told; what was heard of it, in order. */
async function heardOf(
  callModel: RunsOptions['callModel'],
  more: Partial<RunsOptions['listener']> = {},
) {
  const heard: string[] = [];
  const bugs: unknown[] = [];
  const store = openSessionStore({ path: IN_MEMORY });
  onTestFinished(() => store.close());
  const runs = createRuns({
    ...common,
    store,
    callModel(call) {
      heard.push('called');
      return callModel(call);
    },
    listener: {
      started: () => void heard.push('started'),
      delta: (_run, text) => void heard.push(text),
      reasoning() {},
      ended: (_run, end) => void heard.push(end.state),
      ...more,
    },
    onBug: (error) => void bugs.push(error),
  });
  await runs.send(alice, KEY, turn('r'));
  await runs.drain(30_000);
  return { heard, bugs };
}

test('the model is called before others are told that the run has started', async () => {
  const { heard } = await heardOf(async (call) => {
    await new Promise((resolve) => setImmediate(resolve));
    call.onEvent({ type: 'text', delta: 'hello' });
    return { type: 'done', stopReason: 'stop' };
  });
  expect(heard).toEqual(['called', 'started', 'hello', 'final']);
});

test('of a model that answers at once the start is told first all the same', async () => {
  const { heard } = await heardOf(async (call) => {
    call.onEvent({ type: 'text', delta: 'hello' });
    return { type: 'done', stopReason: 'stop' };
  });
  expect(heard).toEqual(['called', 'started', 'hello', 'final']);
});

test('a listener that fails does not keep a run from its end', async () => {
  const fail = () => {
    throw new Error('cannot read');
  };
  const { heard, bugs } = await heardOf(async () => ({ type: 'done', stopReason: 'tool_use' }), {
    started: fail,
    ended: fail,
  });
  expect(heard).toEqual(['called']);
  expect(bugs).toEqual([new Error('cannot read'), new Error('cannot read')]);
});

test.each<[string, (n: number) => StreamEvent]>([
  ['names of tools', (n) => ({ type: 'tool_call_start', id: `c${n}`, name: 'x'.repeat(100) })],
  ['calls without a name', () => ({ type: 'tool_call_start', id: '', name: '' })],
  ['signatures', () => ({ type: 'reasoning_end', signature: 's'.repeat(100) })],
  ['signatures without a letter', () => ({ type: 'reasoning_end', signature: '' })],
])('an answer of nothing but %s is cut off like any other', async (_name, event) => {
  let sent = 0;
  const { heard } = await heardOf(async (call) => {
    for (; !call.signal.aborted && sent < 1_000; sent += 1) call.onEvent(event(sent));
    return { type: 'done', stopReason: 'stop' };
  });
  expect(sent).toBeLessThan(20);
  expect(heard.at(-1)).toBe('error');
});

/** A store whose session cannot be read, as often as it is asked while `isBroken`; with how the run ends. */
async function endWhile(isBroken: () => boolean, recovery?: Promise<void>) {
  const real = openSessionStore({ path: IN_MEMORY });
  onTestFinished(() => real.close());
  const ends: RunEnd[] = [];
  const bugs: unknown[] = [];
  const runs = createRuns({
    ...common,
    store: {
      ...real,
      brief(principal, key) {
        if (isBroken()) throw new StoreUnavailableError('The session store cannot be read.');
        return real.brief(principal, key);
      },
      recovery: () => recovery,
    },
    callModel: async () => ({ type: 'done', stopReason: 'tool_use' }),
    listener: { ...common.listener, ended: (_run, end) => void ends.push(end) },
    onBug: (error) => void bugs.push(error),
  });
  await runs.send(alice, KEY, turn('r'));
  await expect.poll(() => runs.count()).toBe(0);
  return { ends, bugs, stored: real.run(alice, KEY, 'r')?.state };
}

test('a run whose session cannot be read ends as one that failed', async () => {
  const { ends, bugs, stored } = await endWhile(() => true);
  expect(ends).toMatchObject([{ state: 'error', failure: { kind: 'unavailable' } }]);
  expect(bugs).toHaveLength(1);
  expect(stored).toBe('error');
});

test('a run whose session can be read again after a while goes on then', async () => {
  let left = 2;
  const { ends, bugs } = await endWhile(() => left-- > 0, Promise.resolve());
  expect(ends).toMatchObject([{ state: 'final' }]);
  expect(bugs).toEqual([]);
});

const silent: RunsOptions['callModel'] = async () => ({ type: 'done', stopReason: 'tool_use' });

test('what a user had sent before a removal is removed with the rest', async () => {
  const store = openSessionStore({ path: temporaryFile() });
  onTestFinished(() => store.close());
  const runs = createRuns({ ...common, store, callModel: silent });
  await runs.send(alice, KEY, turn('first'));
  await expect.poll(() => store.run(alice, KEY, 'first')?.state).toBe('final');
  // The message waits for the reset, and the removal comes before that has ended.
  const reset = runs.clear(alice, KEY, () => store.reset(alice, KEY, 1));
  const sent = runs.send(alice, KEY, turn('second'));
  const removed = runs.clearUser('alice', () => store.deleteUser('alice'));
  const late = runs.send(alice, KEY, turn('third'));
  await Promise.all([reset, sent, removed]);
  expect(await late).toEqual({ outcome: 'refused', reason: 'draining' });
  expect(store.describe(alice, KEY)).toBeUndefined();
  expect((await runs.send(alice, KEY, turn('anew'))).outcome).toBe('accepted');
  await runs.drain(30_000);
});

test('what was acknowledged while the grace ended is told to have ended, and is stored so', async () => {
  const disk = slowDisk();
  const store = openSessionStore({ path: temporaryFile(), logSync: disk.sync });
  onTestFinished(() => store.close());
  const ends: RunEnd[] = [];
  const listener = {
    ...common.listener,
    ended: (_run: unknown, end: RunEnd) => void ends.push(end),
  };
  const runs = createRuns({ ...common, store, callModel: silent, listener });
  disk.hold();
  const sending = runs.send(alice, KEY, turn('r'));
  await expect.poll(() => store.run(alice, KEY, 'r')?.state).toBe('running');
  const drained = runs.drain(0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  disk.release();
  expect((await sending).outcome).toBe('accepted');
  await drained;
  expect(ends).toMatchObject([{ state: 'aborted', stopReason: 'shutdown' }]);
  expect(store.run(alice, KEY, 'r')?.state).toBe('interrupted');
});

test('a disk that takes nothing does not keep the process from its end', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const disk = slowDisk();
  const store = openSessionStore({ path: temporaryFile(), logSync: disk.sync });
  onTestFinished(() => store.close());
  // Its end comes when the store is closed already, which the log is told.
  const runs = createRuns({ ...common, store, callModel: silent, onBug() {} });
  disk.hold();
  void runs.send(alice, KEY, turn('r'));
  const drained = runs.drain(1_000);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(await drained).toBeUndefined();
});

test('a listener that fails as a queued run finds its session gone does not fail anything else', async () => {
  const bugs: unknown[] = [];
  const store = openSessionStore({ path: IN_MEMORY });
  onTestFinished(() => store.close());
  const free = Promise.withResolvers<void>();
  const runs = createRuns({
    ...common,
    maxQueuedPerSession: () => 1,
    store: { ...store, startRun: async () => false },
    async callModel() {
      await free.promise;
      return { type: 'done', stopReason: 'tool_use' };
    },
    listener: {
      ...common.listener,
      ended(run) {
        if (run.record.runId === 'second') throw new Error('cannot read');
      },
    },
    onBug: (error) => void bugs.push(error),
  });
  await runs.send(alice, KEY, turn('first'));
  await runs.send(alice, KEY, turn('second'));
  free.resolve();
  await expect.poll(() => runs.of(alice, KEY)).toEqual([]);
  expect(bugs).toEqual([new Error('cannot read')]);
});

/** A run whose end the store refuses while `refuses` says so, with what is told and stored of it. */
async function endOf(
  usage: Usage,
  {
    refuses = () => false,
    recovery,
  }: { refuses?: (end: Answer) => boolean; recovery?: Promise<void> } = {},
) {
  const real = openSessionStore({ path: IN_MEMORY });
  onTestFinished(() => real.close());
  const ends: RunEnd[] = [];
  const runs = createRuns({
    ...common,
    store: {
      ...real,
      async finishRun(principal, key, runId, end) {
        if (refuses(end)) throw new StoreUnavailableError('The session store cannot save.');
        return real.finishRun(principal, key, runId, end);
      },
      recovery: () => recovery,
    },
    async callModel({ onEvent }) {
      onEvent({ type: 'text', delta: 'an answer' });
      onEvent({ type: 'usage', usage });
      return { type: 'done', stopReason: 'stop' };
    },
    listener: { ...common.listener, ended: (_run, end) => void ends.push(end) },
    onBug() {},
  });
  await runs.send(alice, KEY, turn('r'));
  await runs.drain(1_000);
  const page = real.history(alice, KEY, { limit: 1, offset: 0 });
  return { ends, state: real.run(alice, KEY, 'r')?.state, message: page?.messages[0] };
}

const SOUND: Usage = { input: 1, output: 2, cacheRead: 0, cacheWrite: 0, total: 3 };

test.each([10.5, 1e20, Number.POSITIVE_INFINITY])(
  'an answer that is said to have cost %d tokens is kept without its usage',
  async (input) => {
    const { ends, state, message } = await endOf({ ...SOUND, input });
    expect(ends).toMatchObject([{ state: 'final', message: { state: 'complete' } }]);
    expect(ends[0]).not.toHaveProperty('usage');
    expect(state).toBe('final');
    expect(message?.content).toEqual([{ type: 'text', text: 'an answer' }]);
    expect(message).not.toHaveProperty('usage');
  },
);

test('a run whose answer the store refuses altogether ends as one that failed', async () => {
  const refuses = ({ content }: Answer) => content.length > 0;
  const { ends, state, message } = await endOf(SOUND, { refuses });
  const problem = 'The answer could not be saved: the storage refused it.';
  expect(ends).toMatchObject([{ state: 'error', failure: { message: problem } }]);
  expect(state).toBe('error');
  expect(message).toMatchObject({ state: 'error', content: [], errorMessage: problem });
});

test('of an answer that a store in trouble refuses nothing is given up', async () => {
  let left = 3;
  const refuses = () => left-- > 0;
  const { ends, message } = await endOf(SOUND, { refuses, recovery: Promise.resolve() });
  expect(ends).toMatchObject([{ state: 'final', usage: SOUND }]);
  expect(message).toMatchObject({ content: [{ text: 'an answer' }], usage: SOUND });
});

test('a store that is in trouble until the process stops leaves the run to the next process', async () => {
  const never = Promise.withResolvers<void>().promise;
  const { ends, state } = await endOf(SOUND, { refuses: () => true, recovery: never });
  expect(ends).toMatchObject([{ state: 'error', failure: { kind: 'unavailable' } }]);
  expect(state).toBe('running');
});

/** Of an instance with one place: two messages that are being stored, the second one as started. */
async function twoOnTheirWay(limits: Partial<RunsOptions>, whose: readonly [Principal, Principal]) {
  const real = openSessionStore({ path: IN_MEMORY });
  onTestFinished(() => real.close());
  const gates = new Map(['first', 'second'].map((id) => [id, Promise.withResolvers<void>()]));
  const ends = new Map(
    ['before', 'first', 'second'].map((id) => [id, Promise.withResolvers<void>()]),
  );
  const asked: string[] = [];
  const runs = createRuns({
    ...common,
    ...limits,
    store: {
      ...real,
      async acceptTurn(principal, key, sent) {
        const accepted = real.acceptTurn(principal, key, sent);
        await gates.get(sent.runId)?.promise;
        return accepted;
      },
    },
    async callModel({ runId }) {
      asked.push(runId);
      await ends.get(runId)?.promise;
      return { type: 'done', stopReason: 'tool_use' };
    },
  });
  const [other, own] = whose;
  await runs.send(other, 'before', turn('before'));
  await expect.poll(() => asked).toEqual(['before']);
  const first = runs.send(other, 'first', turn('first'));
  ends.get('before')?.resolve();
  await expect.poll(() => runs.count()).toBe(0);
  const second = runs.send(own, 'second', turn('second'));
  await expect.poll(() => real.run(own, 'second', 'second')?.state).toBe('running');
  return { runs, asked, gates, ends, first, second };
}

const ONE_PLACE: [string, Partial<RunsOptions>, readonly [Principal, Principal]][] = [
  ['in all', { maxConcurrent: () => 1 }, [bob, alice]],
  ['of a user', { maxPerUser: () => 1 }, [alice, alice]],
];

describe.each(ONE_PLACE)('with one place %s', (_, limits, whose) => {
  it('a message that is stored as started is answered before one that is stored as waiting', async () => {
    const { runs, asked, gates, ends, first, second } = await twoOnTheirWay(limits, whose);
    gates.get('first')?.resolve();
    expect(await first).toMatchObject({ outcome: 'accepted', run: { state: 'queued' } });
    await settled();
    gates.get('second')?.resolve();
    expect(await second).toMatchObject({ outcome: 'accepted', run: { state: 'running' } });
    await expect.poll(() => asked).toEqual(['before', 'second']);
    ends.get('second')?.resolve();
    await expect.poll(() => asked).toEqual(['before', 'second', 'first']);
    ends.get('first')?.resolve();
    await runs.drain(30_000);
  });

  it('a message that cannot be stored leaves its place to one that waits', async () => {
    const { runs, asked, gates, ends, first, second } = await twoOnTheirWay(limits, whose);
    gates.get('first')?.resolve();
    await first;
    gates.get('second')?.reject(new Error('The disk is full.'));
    await expect(second).rejects.toThrow('The disk is full.');
    await expect.poll(() => asked).toEqual(['before', 'first']);
    ends.get('first')?.resolve();
    await runs.drain(30_000);
  });
});
