/** One user on an idle machine. */

import { interleave } from '../rounds.ts';
import { allSubjects, DIRECT, GATEWAY, LEAN, RELAY, type Setup } from '../setup.ts';
import type { Table } from '../table.ts';
import { askedRows } from './asked-rows.ts';

export async function alone(setup: Setup): Promise<Table> {
  const { plan, load } = setup;
  const subjects = await allSubjects(setup);
  const results = await interleave(plan.rounds, subjects, ({ target }) =>
    load.run('alone', { target, warmUpMs: plan.warmUpMs, askMs: plan.askMs }),
  );
  return {
    title: 'one user, nobody else',
    columns: [GATEWAY, RELAY, LEAN, DIRECT],
    rows: askedRows(results),
  };
}
