/** The rows that show who was at work: a load generator at its limit would measure itself. */

import type { Reading } from '../load/meter.ts';
import { figures, type Results } from '../rounds.ts';
import { SUBJECT } from '../setup.ts';
import type { Row } from '../table.ts';

export function busyRows(results: Results<{ reading: Reading }>): Row[] {
  return [
    { metric: 'core busy: itself', unit: '%', values: busy(results, SUBJECT) },
    { metric: 'core busy: load generator', unit: '%', values: busy(results, 'load') },
    { metric: 'core busy: mock upstream', unit: '%', values: busy(results, 'upstream') },
  ];
}

function busy(results: Results<{ reading: Reading }>, name: string): Record<string, number[]> {
  return figures(results, ({ reading }) => {
    const ms = reading.cpuMs[name];
    return ms === undefined ? undefined : (100 * ms) / reading.elapsedMs;
  });
}
