/** Whose text is saved when: everybody's within the interval, and not all of it at once. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createCheckpoints } from '../../agents/checkpoints.ts';
import { createLiveRun, type LiveRun } from '../../agents/run.ts';
import type { RunRecord } from '../../agents/sessions/store.ts';
import { alice } from './sessions/samples.ts';

const INTERVAL_MS = 250;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function record(runId: string): RunRecord {
  return {
    runId,
    sessionKey: `agent:main:${runId}`,
    sessionId: 's',
    agentId: 'main',
    state: 'running',
    options: {},
    messageSeq: 1,
    answerSeq: 2,
    createdAt: 0,
  };
}

interface Trouble {
  refuses: () => boolean;
  whenDone: Promise<void>;
}

/** `refuses` is asked for each checkpoint; `whenDone` holds it up. */
function bench(
  runs: number,
  { refuses = () => false, whenDone = Promise.resolve() }: Partial<Trouble> = {},
) {
  const saved = new Map<string, string>();
  /** How many were saved at each moment. */
  const perMoment = new Map<number, number>();
  const bugs: unknown[] = [];
  const checkpoints = createCheckpoints({
    store: {
      recovery: () => undefined,
      async checkpoint(_principal, _key, runId, text) {
        if (refuses()) throw new Error('full');
        saved.set(runId, (saved.get(runId) ?? '') + text);
        perMoment.set(Date.now(), (perMoment.get(Date.now()) ?? 0) + 1);
        await whenDone;
      },
    },
    checkpointMs: () => INTERVAL_MS,
    onBug: (error) => void bugs.push(error),
  });
  const all = Array.from({ length: runs }, (_, n) => createLiveRun(alice, record(`r${n}`)));
  const say = (run: LiveRun, text: string) => {
    run.answer.addText(text);
    checkpoints.touch(run);
  };
  return { saved, perMoment, bugs, checkpoints, all, say };
}

test('what all of two hundred runs have said is saved within the interval, some of them at a time', async () => {
  const { saved, perMoment, all, say } = bench(200);
  for (let beat = 0; beat < 4; beat += 1) {
    for (const run of all) say(run, `${beat} `);
    await vi.advanceTimersByTimeAsync(INTERVAL_MS);
    const expected = Array.from({ length: beat + 1 }, (_, n) => `${n} `).join('');
    expect([...saved.values()]).toEqual(all.map(() => expected));
  }
  expect(Math.max(...perMoment.values())).toBe(20);
});

test('a run that says one thing after the other is saved once in an interval', async () => {
  const { saved, perMoment, all, say } = bench(1);
  for (let ms = 0; ms < 10 * INTERVAL_MS; ms += 5) {
    for (const run of all) say(run, '.');
    await vi.advanceTimersByTimeAsync(5);
  }
  expect([...perMoment.values()].reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(11);
  expect(saved.get('r0')?.length).toBeGreaterThan(9 * (INTERVAL_MS / 5));
});

test('nothing is saved of what is forgotten, and nothing where nothing was said', () => {
  const { saved, checkpoints, all, say } = bench(3);
  const [first, second] = all;
  if (first) say(first, 'gone');
  if (second) say(second, 'kept');
  if (first) checkpoints.forget(first);
  vi.advanceTimersByTime(INTERVAL_MS);
  expect([...saved]).toEqual([['r1', 'kept']]);
  expect(vi.getTimerCount()).toBe(0);
});

test('what could not be saved is saved with the next piece, and by itself if none comes', async () => {
  let left = 2;
  const { saved, bugs, all, say } = bench(1, { refuses: () => left-- > 0 });
  for (const run of all) say(run, 'one ');
  await vi.advanceTimersByTimeAsync(INTERVAL_MS);
  for (const run of all) say(run, 'two ');
  await vi.advanceTimersByTimeAsync(INTERVAL_MS);
  expect(saved.get('r0')).toBeUndefined();
  await vi.advanceTimersByTimeAsync(INTERVAL_MS);
  expect(saved.get('r0')).toBe('one two ');
  expect(bugs).toEqual([new Error('full'), new Error('full')]);
  expect(vi.getTimerCount()).toBe(0);
});

test('nothing overtakes what is on its way, which might yet be refused', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { saved, all, say } = bench(1, { whenDone: promise });
  for (const text of ['one ', 'two ']) {
    for (const run of all) say(run, text);
    await vi.advanceTimersByTimeAsync(INTERVAL_MS);
  }
  expect(saved.get('r0')).toBe('one ');
  resolve();
  await vi.advanceTimersByTimeAsync(INTERVAL_MS);
  expect(saved.get('r0')).toBe('one two ');
});

test('what could not be saved of a run that has ended is left to its end', async () => {
  const { saved, all, say } = bench(1, { refuses: () => true });
  for (const run of all) {
    say(run, 'one ');
    run.over = true;
  }
  await vi.advanceTimersByTimeAsync(INTERVAL_MS);
  expect([...saved]).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
