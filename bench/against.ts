/**
 * The gateway of this folder beside that of an earlier commit: what a change is worth. Both run twice, because two
 * processes of the same program differ too, by up to a third in a tail: only what is larger than that is the change.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { temporaryFolder } from './gateway-process.ts';
import type { Asked } from './load/asker.ts';
import { script } from './processes.ts';
import { figures, interleave, type Results } from './rounds.ts';
import { cpuPerQuestion, runAlone } from './scenarios/alone.ts';
import { loopDelayRows } from './scenarios/busy-rows.ts';
import { cpuPerDelta, runPaced } from './scenarios/paced.ts';
import { cpuPerToken, runSaturated } from './scenarios/saturated.ts';
import { GATEWAY, type Setup, type Subject, season, startGatewaySubject } from './setup.ts';
import type { Row, Table } from './table.ts';

/** No commit has a name with a space in it. */
const OURS = 'this folder';
const AGAIN = ', once more';

/** Its name, and how it measures and what comes of it, column by column. */
interface Comparison {
  title: string;
  rows(setup: Setup, subjects: readonly Subject[]): Promise<Row[]>;
}

export const COMPARISONS: Readonly<Record<string, Comparison>> = {
  alone: {
    title: 'one user',
    async rows(setup, subjects) {
      const results = await measured(setup, subjects, runAlone);
      return [cpuRow('CPU per question', figures(results, cpuPerQuestion)), ...asked(results)];
    },
  },
  paced: {
    title: 'paced streams',
    async rows(setup, subjects) {
      const results = await measured(setup, subjects, runPaced);
      return [
        cpuRow('CPU per delta', figures(results, cpuPerDelta)),
        ms(
          'delta under way, p50',
          figures(results, ({ underWay }) => underWay.p50),
        ),
        ms(
          'delta under way, p99',
          figures(results, ({ underWay }) => underWay.p99),
        ),
        ...asked(results),
      ];
    },
  },
  saturated: {
    title: 'saturated streams',
    async rows(setup, subjects) {
      const results = await measured(setup, subjects, (each, subject) =>
        runSaturated(each, { ...subject, name: GATEWAY }, true),
      );
      return [
        cpuRow('CPU per delta', figures(results, cpuPerToken)),
        ms(
          "another user's acknowledgement, p50",
          figures(results, ({ others }) => others?.acknowledged.p50),
        ),
        ms(
          "another user's acknowledgement, p99",
          figures(results, ({ others }) => others?.acknowledged.p99),
        ),
        ms(
          '/readyz, p99',
          figures(results, ({ others }) => others?.ready.p99),
        ),
        ...loopDelayRows(results).map(withoutTargets),
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
  names: readonly string[],
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
  for (const name of names) {
    const comparison = COMPARISONS[name];
    if (!comparison) continue;
    const { title } = comparison;
    const rows = await comparison.rows(setup, subjects);
    tables.push({ title, columns, rows: rows.map((row) => ({ ...row, per: [commit] })) });
  }
  return tables;
}

/** What is committed there, with the packages of now. */
async function buildOf(commit: string): Promise<string> {
  const folder = temporaryFolder('against-');
  const sources = join(folder, 'sources');
  mkdirSync(sources);
  const archive = execFileSync('git', ['archive', commit], {
    cwd: script('..'),
    maxBuffer: 1024 * 1024 * 1024,
  });
  execFileSync('tar', ['--extract', '--directory', sources], { input: archive });
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

function asked(results: Results<{ asked: Asked }>): Row[] {
  return [
    ms(
      'send → first delta, p50',
      figures(results, (each) => each.asked.firstDelta.p50),
    ),
    ms(
      'send → first delta, p99',
      figures(results, (each) => each.asked.firstDelta.p99),
    ),
    ms(
      'acknowledgement, p50',
      figures(results, (each) => each.asked.acknowledged?.p50),
    ),
    ms(
      'acknowledgement, p99',
      figures(results, (each) => each.asked.acknowledged?.p99),
    ),
  ];
}

function cpuRow(metric: string, values: Row['values']): Row {
  return { metric, unit: 'µs', values };
}

function ms(metric: string, values: Row['values']): Row {
  return { metric, unit: 'ms', values };
}

function withoutTargets({ metric, unit, values }: Row): Row {
  return { metric, unit, values };
}
