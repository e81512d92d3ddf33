/** One user on an idle machine. */

import type { AloneResult } from '../load/alone.ts';
import { figures, interleave } from '../rounds.ts';
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
import type { Table } from '../table.ts';
import { askedRows } from './asked-rows.ts';
import { loopDelayRows } from './busy-rows.ts';

export async function alone(setup: Setup): Promise<Table> {
  const subjects = await allSubjects(setup);
  const results = await interleave(setup.plan.rounds, subjects, (each) => runAlone(setup, each));
  return {
    title: 'one user, nobody else',
    columns: [GATEWAY, RELAY, LEAN, DIRECT],
    rows: [
      ...askedRows(results, { p50: 0.5, p99: 2 }),
      { metric: 'CPU per question', unit: 'µs', values: figures(results, cpuPerQuestion) },
      ...loopDelayRows(results),
    ],
  };
}

/** Also what a profile is made of. */
export function runAlone(setup: Setup, subject: Subject) {
  const { warmUpMs, askMs } = setup.plan;
  const { target } = subject;
  const pids = pidsOf(setup, subject);
  return runWatched(setup, subject, 'alone', { target, warmUpMs, askMs, pids });
}

/** Microseconds of the process's time, from the send to the stored end of a short answer. */
export function cpuPerQuestion({ asked, reading }: AloneResult): number | undefined {
  const ms = reading.cpuMs[SUBJECT];
  return ms === undefined ? undefined : (1_000 * ms) / asked.firstDelta.count;
}
