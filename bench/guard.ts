/** Measures a few ratios, again if they miss, and says whether all hold. What is measured: guard-checks.ts. */

import { type Row, type Table, type Target, verdicts } from './table.ts';

export interface Check {
  metric: string;
  unit: string;
  /** A bound of the ratio to that column. */
  target: Target & { of: string };
  /** One value for each round, of the first column and of the other. */
  measure(): Promise<Row['values']>;
}

/** How often a check is measured before a miss or an error counts: a machine has bad moments, a blunder stays. */
const ATTEMPTS = 3;

/** The table has every attempt. `ours` is the column that is judged. */
export async function guard(
  ours: string,
  checks: readonly Check[],
): Promise<{ table: Table; holds: boolean }> {
  const rows: Row[] = [];
  let holds = true;
  for (const check of checks) {
    const attempts = await attempt(ours, check);
    rows.push(...attempts);
    holds &&= attempts.some((row) => isReached(ours, row));
  }
  const others = new Set(checks.map(({ target }) => target.of));
  return { table: { title: 'regression guard', columns: [ours, ...others], rows }, holds };
}

/** Until it holds. */
async function attempt(ours: string, check: Check): Promise<Row[]> {
  const { metric, unit, target } = check;
  const rows: Row[] = [];
  while (rows.length < ATTEMPTS && !rows.some((row) => isReached(ours, row))) {
    const values = await check.measure().catch((error: unknown) => {
      console.log(`${metric}: this attempt failed.`, error);
      return {};
    });
    const name = rows.length === 0 ? metric : `${metric} (again)`;
    rows.push({ metric: name, unit, values, per: [target.of], targets: [target] });
  }
  return rows;
}

function isReached(ours: string, row: Row): boolean {
  const judged = verdicts(row, ours);
  return judged.length > 0 && judged.every(({ reached }) => reached);
}
