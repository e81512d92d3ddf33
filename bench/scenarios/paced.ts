/** Many answers at a model's pace: what a delta costs, and how long it is under way. */

import type { PacedResult } from '../load/paced.ts';
import { addedOver, figures, interleave, type Results } from '../rounds.ts';
import {
  allSubjects,
  DIRECT,
  GATEWAY,
  LEAN,
  pidsOf,
  RELAY,
  runWatched,
  type Setup,
  SUBJECT,
  type Subject,
} from '../setup.ts';
import type { Row, Table } from '../table.ts';
import { askedRows } from './asked-rows.ts';
import { busyRows, loopDelayRows } from './busy-rows.ts';

export async function paced(setup: Setup): Promise<Table> {
  const { plan } = setup;
  const subjects = await allSubjects(setup);
  const results = await interleave(plan.rounds, subjects, (subject) => runPaced(setup, subject));
  const p50 = figures(results, ({ underWay }) => underWay.p50);
  const p99 = figures(results, ({ underWay }) => underWay.p99);
  const cpu = figures(results, cpuPerDelta);
  const joined = figures(results, ({ tokens, deltas }) => tokens / deltas);
  const unit = 'ms';
  return {
    title: `${plan.streams} streams × ${1_000 / plan.tokenEveryMs} tokens/s, a segment each`,
    columns: [GATEWAY, RELAY, LEAN, DIRECT],
    rows: [
      {
        metric: 'CPU per delta',
        unit: 'µs',
        values: cpu,
        per: [RELAY, LEAN],
        targets: [
          { most: 1.25, of: RELAY },
          { most: 1.5, of: LEAN },
        ],
      },
      ...underWayRows(results),
      {
        metric: 'delta, added over direct, p50',
        unit,
        values: addedOver(DIRECT, p50),
        targets: [{ most: 0.3 }],
      },
      {
        metric: 'delta, added over direct, p99',
        unit,
        values: addedOver(DIRECT, p99),
        targets: [{ most: 4 }],
      },
      { metric: 'tokens per frame', unit: '', values: joined },
      ...askedRows(results, { p50: 1.5, p99: 8 }),
      ...loopDelayRows(results),
      ...busyRows(results),
    ],
  };
}

export function underWayRows(results: Results<PacedResult>): Row[] {
  const p50 = figures(results, ({ underWay }) => underWay.p50);
  const p99 = figures(results, ({ underWay }) => underWay.p99);
  return [
    { metric: 'delta under way, p50', unit: 'ms', values: p50 },
    { metric: 'delta under way, p99', unit: 'ms', values: p99 },
  ];
}

/** Also what a profile is made of. */
export function runPaced(setup: Setup, subject: Subject) {
  const { streams, tokenEveryMs, warmUpMs, windowMs, askMs } = setup.plan;
  return runWatched(setup, subject, 'paced', {
    target: subject.target,
    streams,
    everyMs: tokenEveryMs,
    warmUpMs,
    windowMs,
    askMs,
    pids: pidsOf(setup, subject),
  });
}

export function cpuPerDelta({ reading, tokens }: PacedResult): number | undefined {
  const ms = reading.cpuMs[SUBJECT];
  return ms === undefined ? undefined : (ms * 1_000) / tokens;
}
