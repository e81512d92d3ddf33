/**
 * Who is served, in which turn of the event loop, and in what order. A request costs what it says, on a clock
 * that nothing else moves.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createTurnstile, newLine } from '../../gateway/turnstile.ts';

function scene(requestsPerSecond = 0) {
  let clock = 0;
  /** Names of all requests that were served, in their order. */
  const served: string[] = [];
  const turnstile = createTurnstile({
    requestsPerSecond: () => requestsPerSecond,
    maxWaitingBytes: 1_000_000,
    now: () => clock,
  });

  function socket(userId: string) {
    const costs = new Map<string, number>();
    const line = newLine({
      principal: { userId, instanceId: 'oc-1' },
      serve(name) {
        clock += costs.get(name) ?? 0;
        served.push(name);
      },
    });
    return {
      ask(costMs: number, name = userId) {
        costs.set(name, costMs);
        turnstile.admit(line, name, name.length);
      },
      leave: () => turnstile.leave(line),
    };
  }

  async function servedAll(count: number): Promise<string[]> {
    while (served.length < count) await nextTurn();
    return served;
  }

  return { served, socket, servedAll };
}

function times(count: number, work: () => void): void {
  for (let n = 0; n < count; n++) work();
}

test('a request is served at once when nobody else asks, whatever it costs, and so are cheap ones of many', () => {
  const idle = scene();
  idle.socket('alice').ask(50);
  expect(idle.served).toEqual(['alice']);
  const lively = scene();
  for (const name of ['a', 'b', 'c', 'd']) lively.socket(name).ask(1);
  expect(lively.served).toEqual(['a', 'b', 'c', 'd']);
});

test('costly requests of many sockets of one user hold others up for two of them', async () => {
  const { socket, servedAll } = scene();
  const flood = Array.from({ length: 8 }, () => socket('mallory'));
  for (const { ask } of flood) times(8, () => ask(33));
  socket('bob').ask(1);
  const order = await servedAll(65);
  // The one that had begun, and the turn of the user who stood in line before.
  expect(order.indexOf('bob')).toBe(2);
});

test('what comes when a turn is used up waits for one request of each other user', async () => {
  const { served, socket, servedAll } = scene();
  const [mallory, carol, bob] = [socket('mallory'), socket('carol'), socket('bob')];
  times(8, () => mallory.ask(33));
  times(3, () => carol.ask(33));
  await servedAll(2);
  times(2, () => bob.ask(33));
  expect(served).toEqual(['mallory', 'mallory']);
  const order = ['mallory', 'mallory', 'carol', 'mallory', 'bob', 'carol', 'mallory', 'bob'];
  expect((await servedAll(13)).slice(0, order.length)).toEqual(order);
});

test('sockets of one user take turns, and each is answered in its order', async () => {
  const { socket, servedAll } = scene();
  const [one, two] = [socket('alice'), socket('alice')];
  for (const name of ['a1', 'a2', 'a3']) one.ask(33, name);
  for (const name of ['b1', 'b2']) two.ask(33, name);
  expect(await servedAll(5)).toEqual(['a1', 'a2', 'b1', 'a3', 'b2']);
});

test('a socket gets eight requests in a turn, however cheap they are', async () => {
  const { served, socket } = scene();
  const { ask } = socket('alice');
  times(20, () => ask(0));
  expect(served).toHaveLength(8);
  await nextTurn();
  expect(served).toHaveLength(16);
});

test('a socket that has used up its second waits for the next, and holds up no other', async () => {
  const { served, socket, servedAll } = scene(1);
  const [hasty, calm] = [socket('alice'), socket('alice')];
  for (const name of ['a1', 'a2', 'a3']) hasty.ask(0, name);
  await nextTurn();
  expect(served).toEqual(['a1', 'a2']);
  calm.ask(1_000, 'b1');
  expect(served).toEqual(['a1', 'a2', 'b1']);
  expect(await servedAll(4)).toEqual(['a1', 'a2', 'b1', 'a3']);
});

test('what a socket that left had waiting is not served', async () => {
  const { served, socket, servedAll } = scene();
  const gone = socket('alice');
  times(3, () => gone.ask(33));
  gone.leave();
  times(2, () => socket('bob').ask(33));
  expect(await servedAll(3)).toEqual(['alice', 'bob', 'bob']);
  await nextTurn();
  expect(served).toHaveLength(3);
});
