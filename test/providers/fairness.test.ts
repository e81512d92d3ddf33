/** Upstreams that pour without pause leave the event loop to others, and share what they have of it. */

import { Worker } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { bodyOf, createFetch } from '../../providers/transport.ts';
import { createTurnBudget } from '../../providers/turn-budget.ts';

/** Pours on a thread of its own, so that there is always more to read than one turn can take. */
const POURING_SERVER = `
const { createServer } = require('node:http');
const { parentPort } = require('node:worker_threads');
const chunk = Buffer.alloc(16384, 'x');
const server = createServer((_, response) => {
  const pour = () => {
    while (response.write(chunk));
    response.once('drain', pour);
  };
  response.on('error', () => {});
  pour();
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

const STREAMS = 40;
const ROUNDS = 8;
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
/** Behind the promises that are kept now. */
const nextTick = () =>
  new Promise<void>((resolve) => queueMicrotask(() => process.nextTick(resolve)));

function busy(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test('what is read in one turn of the event loop is bounded, and every stream has its share', async () => {
  const server = new Worker(POURING_SERVER, { eval: true });
  onTestFinished(async () => void (await server.terminate()));
  const port = await new Promise<number>((resolve) => server.once('message', resolve));
  const fetch = createFetch();
  const controller = new AbortController();
  const shares = Array.from({ length: STREAMS }, () => 0);
  let inThisTurn = 0;
  let most = 0;
  let total = 0;
  const begun = new Set<number>();

  const read = async (index: number) => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: controller.signal });
    await bodyOf(response).forEach((piece) => {
      expect(piece.byteLength).toBeGreaterThan(0);
      busy(2);
      inThisTurn += 1;
      begun.add(index);
      // Shares are compared from when all of them are there.
      if (begun.size === STREAMS) {
        shares[index] = (shares[index] ?? 0) + 1;
        total += 1;
      }
      return false;
    });
  };
  const reading = shares.map((_, index) => read(index).catch(() => 'aborted'));
  let turns = 0;
  const enough = () => total >= STREAMS * ROUNDS;
  while (!enough()) {
    most = Math.max(most, inThisTurn);
    inThisTurn = 0;
    turns += 1;
    await nextTurn();
  }
  controller.abort();
  expect(await Promise.all(reading)).toEqual(shares.map(() => 'aborted'));
  // One takes more than a turn has.
  expect(most).toBe(1);
  expect(turns).toBeGreaterThanOrEqual(STREAMS * ROUNDS);
  expect(Math.min(...shares)).toBeGreaterThanOrEqual(ROUNDS / 2);
  expect(Math.max(...shares)).toBeLessThanOrEqual(ROUNDS * 2);
});

/** Work of a certain cost on a clock of the test. */
function bench(cost?: 'late') {
  let time = 0;
  const turns = createTurnBudget({ budgetMs: 4, now: () => time, ...(cost && { cost }) });
  const done: string[] = [];
  const costs = (name: string, ms: number, then = () => {}) => {
    turns.run(() => {
      done.push(name);
      const spend = () => {
        time += ms;
        then();
      };
      if (cost) void Promise.resolve().then(spend);
      else spend();
    });
  };
  return { done, costs };
}

describe.each([undefined, 'late'] as const)('where the cost comes %s', (cost) => {
  test('nobody overtakes those who wait, even where there is room', async () => {
    const { done, costs } = bench(cost);
    costs('a', 4);
    await nextTick();
    costs('b', 1, () => costs('late', 1));
    costs('c', 1);
    for (let turn = 0; turn < 3; turn += 1) await nextTurn();
    expect(done).toEqual(['a', 'b', 'c', 'late']);
  });

  test('work begins at once while there is room, else in a later turn and in its order', async () => {
    const { done, costs } = bench(cost);
    costs('a', 3);
    expect(done).toEqual(['a']);
    await nextTick();
    costs('b', 3);
    expect(done).toEqual(['a', 'b']);
    await nextTick();
    for (const name of ['c', 'd', 'e']) costs(name, 3);
    expect(done).toEqual(['a', 'b']);
    await nextTurn();
    expect(done).toEqual(['a', 'b', 'c', 'd']);
    costs('f', 3);
    expect(done).toEqual(['a', 'b', 'c', 'd']);
    await nextTurn();
    expect(done).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });
});

test('what comes late is waited for: many that begin in one go are not taken for free', async () => {
  const { done, costs } = bench('late');
  for (const name of ['a', 'b', 'c', 'd', 'e']) costs(name, 3);
  expect(done).toEqual(['a']);
  await nextTurn();
  // Two of 3 ms in each turn of 4.
  expect(done.length).toBeLessThanOrEqual(4);
  for (let turn = 0; turn < 3; turn += 1) await nextTurn();
  expect(done).toEqual(['a', 'b', 'c', 'd', 'e']);
});
