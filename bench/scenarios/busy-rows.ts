/** The rows that show who was at work: a load generator at its limit would measure itself. */

import type { LoopDelay } from '../inside/loop-delay-reading.ts';
import type { Reading } from '../load/meter.ts';
import { figures, type Results } from '../rounds.ts';
import { SUBJECT } from '../setup.ts';
import type { Row } from '../table.ts';

type Measured = Results<{ reading: Reading; loopDelay?: LoopDelay }>;

/** More, and the gateway may have waited for those who measure it. They share what is not its core. */
const MOST_BUSY = 90;

export function busyRows(results: Measured): Row[] {
  const subject = busy(results, [SUBJECT]);
  const load = busy(results, ['load']);
  const upstream = busy(results, ['upstream']);
  const both = busy(results, ['load', 'upstream']);
  const unit = '%';
  return [
    { metric: 'core busy: itself', unit, values: subject },
    { metric: 'core busy: load generator', unit, values: load },
    { metric: 'core busy: mock upstream', unit, values: upstream },
    {
      metric: 'core busy: all that measures',
      unit,
      values: both,
      targets: [{ most: MOST_BUSY }],
    },
  ];
}

/** The event loop of the gateway; those of the relays are not watched. */
export function loopDelayRows(results: Results<{ loopDelay?: LoopDelay }>): Row[] {
  return [
    {
      metric: 'event-loop delay, p99',
      unit: 'ms',
      values: figures(results, ({ loopDelay }) => loopDelay?.p99),
      targets: [{ most: 10 }],
    },
    {
      metric: 'event-loop delay, longest',
      unit: 'ms',
      values: figures(results, ({ loopDelay }) => loopDelay?.max),
    },
  ];
}

function busy(results: Measured, names: readonly string[]): Record<string, number[]> {
  return figures(results, ({ reading: { cpuMs, elapsedMs } }) => {
    const ms = names.map((name) => cpuMs[name]).filter((each) => each !== undefined);
    if (ms.length < names.length) return undefined;
    return (100 * ms.reduce((sum, each) => sum + each, 0)) / elapsedMs;
  });
}
