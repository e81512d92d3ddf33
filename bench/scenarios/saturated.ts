/** As many answers, as fast as they are taken. */

import type { SaturatedResult } from '../load/saturated.ts';
import { figures, interleave, only, type Results } from '../rounds.ts';
import {
  allSubjects,
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
import { busyRows, loopDelayRows } from './busy-rows.ts';

export async function saturated(setup: Setup): Promise<Table> {
  const { plan } = setup;
  const subjects = await allSubjects(setup);
  const indirect = subjects.filter(({ pid }) => pid !== undefined);
  const results = await interleave(plan.rounds, indirect, (each) =>
    // Of the gateway it is also measured who else is served.
    runSaturated(setup, each, each.name === GATEWAY),
  );
  const perSecond = figures(results, ({ tokens, reading }) => (1_000 * tokens) / reading.elapsedMs);
  const joined = figures(results, ({ tokens, deltas }) => tokens / deltas);
  return {
    title: `${plan.streams} streams, saturated, one core`,
    columns: [GATEWAY, RELAY, LEAN],
    rows: [
      {
        metric: 'deltas per second',
        unit: '',
        values: perSecond,
        per: [RELAY, LEAN],
        targets: [{ least: 0.7, of: RELAY }],
      },
      { metric: 'CPU per delta', unit: 'µs', values: figures(results, cpuPerToken), per: [RELAY] },
      { metric: 'tokens per frame', unit: '', values: joined },
      ...otherUsersRows(only(GATEWAY, results)),
      ...loopDelayRows(results),
      ...busyRows(results),
    ],
  };
}

/** Whether everybody else is still served. */
export function otherUsersRows(results: Results<SaturatedResult>): Row[] {
  const others = (figure: (others: NonNullable<SaturatedResult['others']>) => number) =>
    figures(results, (each) => each.others && figure(each.others));
  const unit = 'ms';
  return [
    {
      metric: "another user's acknowledgement, p50",
      unit,
      values: others((o) => o.acknowledged.p50),
    },
    {
      metric: "another user's acknowledgement, p99",
      unit,
      values: others((o) => o.acknowledged.p99),
      targets: [{ most: 20 }],
    },
    { metric: "other users' sends", unit: '', values: others((o) => o.acknowledged.count) },
    {
      metric: '/readyz, p99',
      unit,
      values: others((o) => o.ready.p99),
      targets: [{ most: 20 }],
    },
    { metric: '/readyz, fetches', unit: '', values: others((o) => o.ready.count) },
  ];
}

/** Also what a profile is made of, and the guard. `withOthers` asks for fairness too. */
export function runSaturated(setup: Setup, subject: Subject, withOthers = false) {
  const { streams, saturatedTokens: tokens } = setup.plan;
  return runWatched(setup, subject, 'saturated', {
    target: subject.target,
    streams,
    tokens,
    withOthers,
    pids: pidsOf(setup, subject),
  });
}

/** Microseconds of the process's time, however many tokens shared a frame. */
export function cpuPerToken({ reading, tokens }: SaturatedResult): number | undefined {
  const ms = reading.cpuMs[SUBJECT];
  return ms === undefined ? undefined : (1_000 * ms) / tokens;
}
