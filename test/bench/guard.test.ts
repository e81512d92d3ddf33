/** The regression guard forgives a bad moment, and nothing else. */

import { expect, test } from 'vitest';
import { type Check, guard } from '../../bench/guard.ts';

/** Its ratios, one for each attempt; the last one stays. */
function checkOf(metric: string, ratios: readonly number[]): Check & { measured: number } {
  return {
    metric,
    unit: 'µs',
    target: { most: 2, of: 'relay' },
    measured: 0,
    measure() {
      const ratio = ratios[Math.min(this.measured, ratios.length - 1)] ?? 0;
      this.measured += 1;
      return Promise.resolve({ gateway: [10 * ratio], relay: [10] });
    },
  };
}

test('what holds is measured once', async () => {
  const check = checkOf('cost', [1.9]);
  expect(await guard('gateway', [check])).toMatchObject({ holds: true });
  expect(check.measured).toBe(1);
});

test('a miss is measured again, and forgiven if it was one', async () => {
  const check = checkOf('cost', [5, 1]);
  const { table, holds } = await guard('gateway', [check]);
  expect(holds).toBe(true);
  expect(table.rows.map(({ metric }) => metric)).toEqual(['cost', 'cost (again)']);
});

test('a miss that stays fails, whatever else holds', async () => {
  const dear = checkOf('dear', [2.1]);
  const cheap = checkOf('cheap', [1]);
  expect(await guard('gateway', [dear, cheap])).toMatchObject({ holds: false });
  expect(dear.measured).toBe(3);
});

test('what was not measured does not hold', async () => {
  const check: Check = { ...checkOf('cost', [1]), measure: () => Promise.resolve({}) };
  expect(await guard('gateway', [check])).toMatchObject({ holds: false });
});

test('an attempt that breaks is a miss', async () => {
  const check = checkOf('cost', [1]);
  let broken = 0;
  const measure = () =>
    ++broken < 3 ? Promise.reject(new Error('the socket was lost')) : check.measure();
  expect(await guard('gateway', [{ ...check, measure }])).toMatchObject({ holds: true });
  broken = -1;
  expect(await guard('gateway', [{ ...check, measure }])).toMatchObject({ holds: false });
});
