/** Whom a worker keeps, and when another may have them. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Principal } from '../../../agents/principal.ts';
import type { Leases } from '../../../agents/sessions/leases.ts';
import { createOwnership, type Ownership } from '../../../gateway/workers/ownership.ts';

const ann: Principal = { userId: 'ann', instanceId: 'i' };
const bob: Principal = { userId: 'bob', instanceId: 'i' };

let held: Set<string>;
let foreign: Set<string>;
let looks: number;
let sockets: Map<Principal, number>;
let runs: Set<Principal>;
let broken: boolean;
let failures: unknown[];
let ownership: Ownership;

beforeEach(() => {
  vi.useFakeTimers();
  held = new Set();
  foreign = new Set(['bob']);
  looks = 0;
  sockets = new Map();
  runs = new Set();
  broken = false;
  failures = [];
  const fail = () => {
    if (broken) throw new Error('the file fails');
  };
  const leases: Leases = {
    take({ userId }) {
      fail();
      if (foreign.has(userId)) return false;
      held.add(userId);
      return true;
    },
    release(principals) {
      fail();
      for (const { userId } of principals) held.delete(userId);
    },
    of: () => [bob],
    inherit: (_owners, kept) => {
      foreign.clear();
      for (const { userId } of kept) held.add(userId);
    },
    close() {},
  };
  ownership = createOwnership({
    leases,
    hasSocket(principal) {
      looks += 1;
      return (sockets.get(principal) ?? 0) > 0;
    },
    hasRun: (principal) => runs.has(principal),
    onFailure: (error) => void failures.push(error),
  });
});
afterEach(() => {
  ownership.close();
  vi.useRealTimers();
});

const aWhile = () => vi.advanceTimersByTimeAsync(10_000);

test('a principal is kept as long as it has a socket, and costs nothing meanwhile', async () => {
  sockets.set(ann, 2);
  expect([ownership.claim(ann), ownership.claim(ann)]).toEqual([true, true]);
  await aWhile();
  expect(looks).toBe(1);
  sockets.set(ann, 1);
  ownership.loosen(ann);
  await aWhile();
  expect([...held]).toEqual(['ann']);
  expect(looks).toBe(2);
  sockets.set(ann, 0);
  ownership.loosen(ann);
  // Who comes back at once finds the place kept.
  await vi.advanceTimersByTimeAsync(100);
  expect([...held]).toEqual(['ann']);
  await aWhile();
  expect([...held]).toEqual([]);
});

test('a run keeps it, too, until its end, which nobody tells', async () => {
  runs.add(ann);
  ownership.claim(ann);
  await aWhile();
  expect([...held]).toEqual(['ann']);
  runs.delete(ann);
  await aWhile();
  expect([...held]).toEqual([]);
});

test('what was claimed and came to nothing is let go', async () => {
  ownership.claim(ann);
  await aWhile();
  expect([...held]).toEqual([]);
});

test('whom another serves is refused, and may be inherited', async () => {
  expect(ownership.claim(bob)).toBe(false);
  const isLeft = ownership.left([7]);
  expect([isLeft(bob), isLeft(ann)]).toEqual([true, false]);
  runs.add(bob);
  ownership.inherit([7], [bob]);
  expect(ownership.claim(bob)).toBe(true);
  await aWhile();
  expect([...held]).toEqual(['bob']);
});

test('while the file fails nobody new is served, and nobody is forgotten', async () => {
  ownership.claim(ann);
  broken = true;
  expect(ownership.claim({ userId: 'cem', instanceId: 'i' })).toBe(false);
  await aWhile();
  expect(failures.length).toBeGreaterThan(1);
  expect([...held]).toEqual(['ann']);
  broken = false;
  await aWhile();
  expect([...held]).toEqual([]);
});
