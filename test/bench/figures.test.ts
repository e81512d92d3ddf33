/** The figures of the benchmark mean what they say. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toMessage, toOrder } from '../../bench/order.ts';
import { addedOver, interleave } from '../../bench/rounds.ts';
import { median, summarise } from '../../bench/statistics.ts';
import { type Table, targetsToMarkdown, toMarkdown } from '../../bench/table.ts';
import { countTokens, stampedToken, stampsOf } from '../../bench/token.ts';

describe('tokens', () => {
  test('carry their times to the microsecond, however many are joined', () => {
    // Three years of uptime.
    const times = fc.array(fc.double({ min: 0, max: 3 * 365 * 86_400_000, noNaN: true }));
    fc.assert(
      fc.property(times, (written) => {
        const text = written.map(stampedToken).join('');
        const read = stampsOf(text);
        expect(countTokens(text)).toBe(written.length);
        expect(read).toHaveLength(written.length);
        read.forEach((at, index) =>
          expect(Math.abs(at - (written[index] ?? 0))).toBeLessThan(0.001),
        );
      }),
    );
  });
});

describe('orders', () => {
  test('arrive as they were sent', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000_000), fc.nat(60_000), (tokens, everyMs) => {
        expect(toOrder(toMessage({ tokens, everyMs }))).toEqual({ tokens, everyMs });
      }),
    );
  });

  test('are not read out of other messages', () => {
    expect(toOrder('say something')).toBeUndefined();
  });
});

describe('statistics', () => {
  test('give values that were measured', () => {
    const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(summarise(samples)).toEqual({ count: 100, p50: 50, p99: 99 });
    expect(median([3, 1, 2])).toBe(2);
  });

  test('refuse to make a figure out of nothing', () => {
    expect(() => summarise([])).toThrow('no samples');
  });
});

describe('rounds', () => {
  test('measure every subject once a round, each first in its turn', async () => {
    const order: string[] = [];
    const subjects = [{ name: 'a' }, { name: 'b' }];
    const results = await interleave(2, subjects, ({ name }) => {
      order.push(name);
      return Promise.resolve(order.length);
    });
    expect(order).toEqual(['a', 'b', 'b', 'a']);
    expect(results).toEqual({ a: [1, 4], b: [2, 3] });
  });

  test('compare within a round', () => {
    expect(addedOver('direct', { gateway: [5, 9], direct: [2, 3] })).toEqual({ gateway: [3, 6] });
  });
});

test('a table shows medians, ranges and the median of the ratios', () => {
  const text = toMarkdown({
    title: 'load',
    columns: ['gateway', 'relay'],
    rows: [
      {
        metric: 'CPU',
        unit: 'µs',
        values: { gateway: [10, 12, 30], relay: [5, 6, 10] },
        per: ['relay'],
      },
      { metric: 'rate', unit: '', values: { gateway: [12_345.6] } },
    ],
  });
  expect(cellsOf(text)).toEqual([
    '|load|gateway|relay|gateway is|',
    expect.stringMatching(/^\|-+\|-+:\|-+:\|-+:\|$/),
    '|CPU, µs|12.0 (10.0 – 30.0)|6.00 (5.00 – 10.0)|2.00 × relay|',
    '|rate|12,346|||',
  ]);
});

describe('targets', () => {
  const table: Table = {
    title: 'load',
    columns: ['gateway', 'relay'],
    rows: [
      {
        metric: 'CPU',
        unit: 'µs',
        // The medians are 1.5 apart, the rounds are not.
        values: { gateway: [10, 12, 30], relay: [5, 8, 10] },
        per: ['relay'],
        targets: [{ most: 1.6, of: 'relay' }, { most: 12 }],
      },
      { metric: 'rate', unit: '', values: { gateway: [9] }, targets: [{ least: 10 }] },
      { metric: 'unmeasured', unit: '', values: { relay: [9] }, targets: [{ least: 10 }] },
    ],
  };

  test('stand beside what was measured', () => {
    expect(cellsOf(toMarkdown(table)).slice(2)).toEqual([
      '|CPU, µs|12.0 (10.0 – 30.0)|8.00 (5.00 – 10.0)|2.00 × relay|≤ 1.60 × relay: missed, ≤ 12.0: reached|',
      '|rate|9.00|||≥ 10.0: missed|',
      '|unmeasured||9.00|||',
    ]);
  });

  test('are listed together', () => {
    expect(cellsOf(targetsToMarkdown([table])).slice(2)).toEqual([
      '|load: CPU, µs|2.00 × relay|≤ 1.60 × relay|missed|',
      '|load: CPU, µs|12.0|≤ 12.0|reached|',
      '|load: rate|9.00|≥ 10.0|missed|',
    ]);
  });
});

function cellsOf(markdown: string): string[] {
  return markdown.split('\n').map((line) =>
    line
      .split('|')
      .map((cell) => cell.trim())
      .join('|'),
  );
}
