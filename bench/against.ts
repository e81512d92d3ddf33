/**
 * The gateway of this folder beside that of an earlier commit: what a change is worth. Both run twice, because two
 * processes of the same program differ too, by up to a third in a tail: only what is larger than that is the change.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { temporaryFolder } from './gateway-process.ts';
import { script } from './processes.ts';
import { figures, interleave, type Results } from './rounds.ts';
import { cpuPerQuestion, runAlone } from './scenarios/alone.ts';
import { acknowledgedRows, firstDeltaRows } from './scenarios/asked-rows.ts';
import { loopDelayRows } from './scenarios/busy-rows.ts';
import { cpuPerDelta, runPaced, underWayRows } from './scenarios/paced.ts';
import { cpuPerToken, otherUsersRows, runSaturated } from './scenarios/saturated.ts';
import { type Setup, type Subject, season, startGatewaySubject } from './setup.ts';
import type { Row, Table } from './table.ts';

/** No commit has a name with a space in it. */
const OURS = 'this folder';
const AGAIN = ', once more';

/** What is printed above its rows, and how they come about. */
export interface Comparison {
  title: string;
  rows(setup: Setup, subjects: readonly Subject[]): Promise<Row[]>;
}

export const COMPARISONS: Readonly<Record<string, Comparison>> = {
  alone: {
    title: 'one user',
    async rows(setup, subjects) {
      const results = await measured(setup, subjects, runAlone);
      return [
        { metric: 'CPU per question', unit: 'µs', values: figures(results, cpuPerQuestion) },
        ...firstDeltaRows(results),
        ...acknowledgedRows(results),
      ];
    },
  },
  paced: {
    title: 'paced streams',
    async rows(setup, subjects) {
      const results = await measured(setup, subjects, runPaced);
      return [
        { metric: 'CPU per delta', unit: 'µs', values: figures(results, cpuPerDelta) },
        ...underWayRows(results),
        ...firstDeltaRows(results),
        ...acknowledgedRows(results),
      ];
    },
  },
  saturated: {
    title: 'saturated streams',
    async rows(setup, subjects) {
      const run: typeof runSaturated = (each, subject) => runSaturated(each, subject, true);
      const results = await measured(setup, subjects, run);
      return [
        { metric: 'CPU per delta', unit: 'µs', values: figures(results, cpuPerToken) },
        ...otherUsersRows(results),
        ...loopDelayRows(results),
      ];
    },
  },
};

export function isCommit(name: string): boolean {
  // What begins with a dash would be an option of git.
  const args = ['rev-parse', '--quiet', '--verify', '--end-of-options', `${name}^{commit}`];
  return spawnSync('git', args, { cwd: script('..'), stdio: 'ignore' }).status === 0;
}

/** @throws {Error} if it cannot be built. */
export async function against(
  setup: Setup,
  commit: string,
  comparisons: readonly Comparison[],
): Promise<Table[]> {
  const before = await buildOf(commit);
  const programs = [
    [OURS, setup.gatewayMain],
    [commit, before],
    [`${OURS}${AGAIN}`, setup.gatewayMain],
    [`${commit}${AGAIN}`, before],
  ] as const;
  const subjects: Subject[] = [];
  for (const [name, gatewayMain] of programs) {
    const subject = await startGatewaySubject({ ...setup, gatewayMain });
    await season(setup, subject);
    subjects.push({ ...subject, name });
  }
  const columns = programs.map(([name]) => name);
  const tables: Table[] = [];
  for (const { title, rows } of comparisons) {
    const measuredRows = await rows(setup, subjects);
    // Each target is of another comparison.
    const compared = measuredRows.map(({ metric, unit, values }) => ({
      metric,
      unit,
      values,
      per: [commit],
    }));
    tables.push({ title, columns, rows: compared });
  }
  return tables;
}

/** What is committed there, with the packages of now. */
async function buildOf(commit: string): Promise<string> {
  const folder = temporaryFolder('against-');
  const sources = join(folder, 'sources');
  mkdirSync(sources);
  const archive = join(folder, 'sources.tar');
  execFileSync('git', ['archive', '--output', archive, commit], { cwd: script('..') });
  execFileSync('tar', ['--extract', '--file', archive, '--directory', sources]);
  const built = join(folder, 'dist');
  const config = pathToFileURL(join(sources, 'rolldown.config.ts')).href;
  const program = `const { buildPrograms } = await import(${JSON.stringify(config)});
    await buildPrograms(${JSON.stringify(built)});`;
  execFileSync(process.execPath, ['--input-type=module', '--eval', program], { cwd: sources });
  return join(built, 'gateway', 'main.js');
}

/** The first round is not counted: each kind of load has code of its own to be compiled. */
async function measured<Result>(
  setup: Setup,
  subjects: readonly Subject[],
  run: (setup: Setup, subject: Subject) => Promise<Result>,
): Promise<Results<Result>> {
  await interleave(1, subjects, (subject) => run(setup, subject));
  return interleave(setup.plan.rounds, subjects, (subject) => run(setup, subject));
}
