/** The rows that say how long a user waits: for the first delta, and for the acknowledgement. */

import type { Asked } from '../load/asker.ts';
import { addedOver, figures, only, type Results } from '../rounds.ts';
import { DIRECT, GATEWAY } from '../setup.ts';
import type { Row } from '../table.ts';

/** Milliseconds that may be added to the first delta. */
interface Bounds {
  p50: number;
  p99: number;
}

export function askedRows(results: Results<{ asked: Asked }>, added: Bounds): Row[] {
  const p50 = figures(results, ({ asked }) => asked.firstDelta.p50);
  const p99 = figures(results, ({ asked }) => asked.firstDelta.p99);
  return [
    ...firstDeltaRows(results),
    {
      metric: 'questions asked',
      unit: '',
      values: figures(results, ({ asked }) => asked.firstDelta.count),
    },
    {
      metric: 'first delta, added over direct, p50',
      unit: 'ms',
      values: addedOver(DIRECT, p50),
      targets: [{ most: added.p50 }],
    },
    {
      metric: 'first delta, added over direct, p99',
      unit: 'ms',
      values: addedOver(DIRECT, p99),
      targets: [{ most: added.p99 }],
    },
    // A relay acknowledges too, but nothing is durable then: there is nothing to compare.
    ...acknowledgedRows(only(GATEWAY, results)),
  ];
}

export function firstDeltaRows(results: Results<{ asked: Asked }>): Row[] {
  const p50 = figures(results, ({ asked }) => asked.firstDelta.p50);
  const p99 = figures(results, ({ asked }) => asked.firstDelta.p99);
  return [
    { metric: 'send → first delta, p50', unit: 'ms', values: p50 },
    { metric: 'send → first delta, p99', unit: 'ms', values: p99 },
  ];
}

export function acknowledgedRows(results: Results<{ asked: Asked }>): Row[] {
  return [
    {
      metric: 'chat.send → durable acknowledgement, p50',
      unit: 'ms',
      values: figures(results, ({ asked }) => asked.acknowledged?.p50),
      targets: [{ most: 1 }],
    },
    {
      metric: 'chat.send → durable acknowledgement, p99',
      unit: 'ms',
      values: figures(results, ({ asked }) => asked.acknowledged?.p99),
      targets: [{ most: 5 }],
    },
  ];
}
