/** One user on an idle machine. */

import { interleave } from '../rounds.ts';
import {
  allSubjects,
  DIRECT,
  GATEWAY,
  LEAN,
  RELAY,
  runWatched,
  type Setup,
  type Subject,
} from '../setup.ts';
import type { Table } from '../table.ts';
import { askedRows } from './asked-rows.ts';
import { loopDelayRows } from './busy-rows.ts';

export async function alone(setup: Setup): Promise<Table> {
  const subjects = await allSubjects(setup);
  const results = await interleave(setup.plan.rounds, subjects, (each) => runAlone(setup, each));
  return {
    title: 'one user, nobody else',
    columns: [GATEWAY, RELAY, LEAN, DIRECT],
    rows: [...askedRows(results, { p50: 0.5, p99: 2 }), ...loopDelayRows(results)],
  };
}

/** Also what a profile is made of. */
export function runAlone(setup: Setup, subject: Subject) {
  const { warmUpMs, askMs } = setup.plan;
  return runWatched(setup, subject, 'alone', { target: subject.target, warmUpMs, askMs });
}
