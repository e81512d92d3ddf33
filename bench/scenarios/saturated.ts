/** As many answers, as fast as they are taken. */

import type { SaturatedResult } from '../load/saturated.ts';
import { figures, interleave, only } from '../rounds.ts';
import { allSubjects, GATEWAY, LEAN, pidsOf, RELAY, type Setup, type Subject } from '../setup.ts';
import type { Table } from '../table.ts';
import { busyRows } from './busy-rows.ts';

export async function saturated(setup: Setup): Promise<Table> {
  const { plan } = setup;
  const subjects = await allSubjects(setup);
  const indirect = subjects.filter(({ pid }) => pid !== undefined);
  const results = await interleave(plan.rounds, indirect, (each) => runSaturated(setup, each));
  const perSecond = figures(results, ({ tokens, reading }) => (1_000 * tokens) / reading.elapsedMs);
  const joined = figures(results, ({ tokens, deltas }) => tokens / deltas);
  const ours = only(GATEWAY, results);
  const others = (figure: (others: NonNullable<SaturatedResult['others']>) => number) =>
    figures(ours, (each) => each.others && figure(each.others));
  const unit = 'ms';
  return {
    title: `${plan.streams} streams, saturated, one core`,
    columns: [GATEWAY, RELAY, LEAN],
    rows: [
      { metric: 'deltas per second', unit: '', values: perSecond, per: [RELAY, LEAN] },
      { metric: 'tokens per frame', unit: '', values: joined },
      {
        metric: "another user's acknowledgement, p50",
        unit,
        values: others((o) => o.acknowledged.p50),
      },
      {
        metric: "another user's acknowledgement, p99",
        unit,
        values: others((o) => o.acknowledged.p99),
      },
      { metric: '/readyz, p99', unit, values: others((o) => o.ready.p99) },
      ...busyRows(results),
    ],
  };
}

/** Also what a profile is made of. */
export function runSaturated(setup: Setup, subject: Subject): Promise<SaturatedResult> {
  const { streams, saturatedTokens: tokens } = setup.plan;
  return setup.load.run('saturated', {
    target: subject.target,
    streams,
    tokens,
    withOthers: subject.name === GATEWAY,
    pids: pidsOf(setup, subject),
  });
}
