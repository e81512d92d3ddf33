/** A stream that is pushed, read by asking. */

import { expect, test } from 'vitest';
import { pulled, type Take } from '../../providers/pulled.ts';
import { settled } from '../support/upstream/http.ts';

interface Item {
  n: number;
}

/** Hands on items one by one, each when the reader wants more, and counts them. */
function source(count: number) {
  let handed = 0;
  const run = async (take: Take<Item>) => {
    for (let n = 0; n < count; n += 1) {
      handed += 1;
      await take({ n });
    }
  };
  return { run, cancel() {}, handed: () => handed };
}

test('gives all in order, and no more is made than was asked for', async () => {
  const { run, cancel, handed } = source(5);
  const iterator = pulled({ run, cancel });
  await settled();
  expect(handed()).toBe(0);
  const seen: number[] = [];
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    seen.push(next.value.n);
    await settled();
    expect(handed()).toBe(seen.length);
  }
  expect(seen).toEqual([0, 1, 2, 3, 4]);
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
});

test('gives what came together one by one before it asks for more', async () => {
  const run = async (take: Take<Item>) => {
    void take({ n: 1 });
    await take({ n: 2 });
    void take({ n: 3 });
  };
  const iterator = pulled({ run, cancel() {} });
  const seen = [await iterator.next(), await iterator.next(), await iterator.next()];
  expect(seen.map((each) => each.value?.n)).toEqual([1, 2, 3]);
  expect((await iterator.next()).done).toBe(true);
});

test('questions that are asked at once are answered in their order', async () => {
  const iterator = pulled(source(2));
  const answers = await Promise.all([iterator.next(), iterator.next(), iterator.next()]);
  expect(answers.map(({ value }) => value?.n)).toEqual([0, 1, undefined]);
});

test('whoever leaves while waiting is let go, and the source is told', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let cancelled = false;
  const iterator = pulled<Item>({
    run: () => promise,
    cancel() {
      cancelled = true;
      resolve();
    },
  });
  const waiting = iterator.next();
  expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
  expect(cancelled).toBe(true);
  expect(await waiting).toEqual({ done: true, value: undefined });
});

test('leaving before the first question begins nothing', async () => {
  const { run, cancel, handed } = source(1);
  const iterator = pulled({ run, cancel });
  await iterator.return?.();
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
  expect(handed()).toBe(0);
});
