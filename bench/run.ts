/**
 * `npm run bench`: what the gateway costs, beside a relay that does nothing else and a client without
 * anything in between. Prints tables, keeps them as JSON in bench/results/, and ends by itself.
 * docs/performance.md says what each figure means.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, platform } from 'node:os';
import { join } from 'node:path';
import { buildGateway, SOURCE_MAIN } from './build.ts';
import { RESULTS, temporaryFolder } from './gateway-process.ts';
import { modeOf, USAGE } from './modes.ts';
import type { Plan } from './plan.ts';
import { corePlan, stepAside } from './processes.ts';
import { startSetup } from './setup.ts';
import type { Table } from './table.ts';

process.exit(await run(process.argv.slice(2)));

async function run(args: string[]): Promise<number> {
  const mode = modeOf(args);
  if (!mode) {
    console.log(USAGE);
    return args.includes('--help') ? 0 : 1;
  }
  const startedAt = new Date();
  const program = mode.fromSources ? SOURCE_MAIN : await buildGateway(temporaryFolder('build-'));
  // Aside, it would see the cores that are left to it.
  const machineBefore = machine();
  stepAside();
  const setup = await startSetup(mode.plan, program);
  console.log(`${machineBefore}\n`);
  const { tables, failed } = await mode.measure(setup);
  const seconds = (Date.now() - startedAt.getTime()) / 1000;
  const file = keep({ startedAt, seconds, machine: machineBefore, plan: mode.plan, tables });
  mode.document?.(machineBefore, tables);
  console.log(`${seconds.toFixed(0)} s; kept in ${file}`);
  return failed ? 1 : 0;
}

/** What a reader needs to weigh the figures. */
function machine(): string {
  const cores = availableParallelism();
  const pinned =
    corePlan().subject === undefined ? 'not pinned' : 'the gateway alone on one of them';
  const busy = (loadavg()[0] ?? 0).toFixed(1);
  return `${cores} cores (${pinned}), ${platform()}, Node ${process.version}; load average before the run ${busy}`;
}

interface Results {
  startedAt: Date;
  seconds: number;
  machine: string;
  plan: Plan;
  tables: Table[];
}

/** Its name, relative to bench/. */
function keep(results: Results): string {
  mkdirSync(RESULTS, { recursive: true });
  const name = `${results.startedAt.toISOString().replaceAll(/[:.]/g, '-')}.json`;
  writeFileSync(join(RESULTS, name), `${JSON.stringify(results, null, 2)}\n`);
  return join('results', name);
}
