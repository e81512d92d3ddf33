/** Who gets a place: bounded for all and for each user, and in turns. */

import { expect, test } from 'vitest';
import type { Lane } from '../../agents/lanes.ts';
import { createPlaces } from '../../agents/places.ts';

function lane(userId: string, key: string): Lane {
  return {
    principal: { userId, instanceId: 'oc-1' },
    key,
    active: undefined,
    queue: [],
    accepting: new Set(),
    storing: 0,
    exclusive: undefined,
  };
}

const places = (maxConcurrent: number, maxPerUser: number) =>
  createPlaces({ maxConcurrent: () => maxConcurrent, maxPerUser: () => maxPerUser });

test('users who wait take turns, however many sessions one of them has waiting', () => {
  const all = places(1, 0);
  const first = lane('a', '0');
  expect(all.take(first)).toBe(true);
  for (const key of ['1', '2', '3']) expect(all.take(lane('a', key))).toBe(false);
  expect(all.take(lane('b', '1'))).toBe(false);
  expect(all.next()).toBeUndefined();
  const order: string[] = [];
  for (let current: Lane | undefined = first; current; ) {
    all.give(current);
    current = all.next();
    if (current) order.push(current.principal.userId + current.key);
  }
  expect(order).toEqual(['a1', 'b1', 'a2', 'a3']);
});

test('a user at the limit leaves free places to others, and goes on when one of the own is free', () => {
  const all = places(10, 2);
  const own = [lane('a', '1'), lane('a', '2'), lane('a', '3')] as const;
  expect(own.map((each) => all.take(each))).toEqual([true, true, false]);
  expect(all.next()).toBeUndefined();
  expect(all.take(lane('b', '1'))).toBe(true);
  all.give(own[0]);
  expect(all.next()).toBe(own[2]);
  expect(all.next()).toBeUndefined();
});

test('a promise counts as taken until it is kept', () => {
  const all = places(2, 1);
  expect(all.promise('a')).toBe(true);
  expect(all.promise('a')).toBe(false);
  expect(all.promise('b')).toBe(true);
  expect(all.promise('c')).toBe(false);
  all.kept('a');
  expect(all.promise('c')).toBe(true);
});

test("a promised place is nobody else's, and goes to whoever waits if it is not used", () => {
  const all = places(1, 0);
  const [anna, ben] = [lane('a', '1'), lane('b', '1')];
  expect(all.promise('a')).toBe(true);
  expect(all.take(ben)).toBe(false);
  expect(all.next()).toBeUndefined();
  all.kept('a');
  expect(all.take(anna)).toBe(true);
  expect(all.next()).toBeUndefined();
  all.give(anna);
  expect(all.next()).toBe(ben);
});

test('the same of the places of one user', () => {
  const all = places(0, 1);
  const other = lane('a', '2');
  expect(all.promise('a')).toBe(true);
  expect(all.take(other)).toBe(false);
  expect(all.next()).toBeUndefined();
  all.kept('a');
  expect(all.next()).toBe(other);
  expect(all.next()).toBeUndefined();
});

test('nobody is limited by 0', () => {
  const all = places(0, 0);
  for (let n = 0; n < 100; n++) expect(all.take(lane('a', String(n)))).toBe(true);
});
