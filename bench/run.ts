/**
 * `npm run bench`: what the gateway costs, beside a relay that does nothing else and a client without
 * anything in between. Prints tables, keeps them as JSON in bench/results/, and ends by itself.
 * docs/performance.md says what each figure means.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, platform } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildGateway, SOURCE_MAIN } from './build.ts';
import { now } from './clock.ts';
import { writeDocument } from './document.ts';
import { temporaryFolder } from './gateway-process.ts';
import { FULL, type Plan, PROFILED, QUICK } from './plan.ts';
import { corePlan, script } from './processes.ts';
import { profile } from './profile.ts';
import { alone } from './scenarios/alone.ts';
import { handshakes } from './scenarios/handshakes.ts';
import { memory } from './scenarios/memory.ts';
import { paced } from './scenarios/paced.ts';
import { saturated } from './scenarios/saturated.ts';
import { start } from './scenarios/start.ts';
import { store } from './scenarios/store.ts';
import { workers } from './scenarios/workers.ts';
import { type Setup, startSetup } from './setup.ts';
import { type Table, toMarkdown } from './table.ts';

const SCENARIOS = { alone, paced, saturated, handshakes, memory, store, start, workers };

const USAGE = `npm run bench -- [--quick] [--only name,…] [--profile | --document]

  --quick    one short round of everything, to see that it works
  --only     some of: ${Object.keys(SCENARIOS).join(', ')}
  --profile  CPU profiles of the gateway under load instead of figures
  --document also writes the tables into docs/performance.md`;

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    only: { type: 'string' },
    profile: { type: 'boolean' },
    document: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});

process.exit(flags.help ? usage(0) : await run());

async function run(): Promise<number> {
  const wanted = flags.only?.split(',') ?? Object.keys(SCENARIOS);
  const scenarios = Object.entries(SCENARIOS).filter(([name]) => wanted.includes(name));
  if (scenarios.length < wanted.length) return usage(1);
  // That page carries a full run or none.
  if (flags.document && (flags.quick || flags.only || flags.profile)) return usage(1);
  const startedAt = new Date();
  const program = flags.profile ? SOURCE_MAIN : await buildGateway(temporaryFolder('build-'));
  const setup = await startSetup(flags.profile ? PROFILED : flags.quick ? QUICK : FULL, program);
  const machineBefore = machine();
  console.log(`${machineBefore}\n`);
  const tables: Table[] = flags.profile
    ? (await profile(setup)).map(shown)
    : await runScenarios(setup, scenarios);
  const seconds = (Date.now() - startedAt.getTime()) / 1000;
  const file = keep({ startedAt, seconds, machine: machineBefore, plan: setup.plan, tables });
  if (flags.document) writeDocument(machineBefore, tables);
  console.log(`${seconds.toFixed(0)} s; kept in ${file}`);
  return 0;
}

async function runScenarios(
  setup: Setup,
  scenarios: readonly [string, (setup: Setup) => Promise<Table>][],
): Promise<Table[]> {
  const tables: Table[] = [];
  for (const [name, scenario] of scenarios) {
    const startedAt = now();
    tables.push(shown(await scenario(setup)));
    console.log(`${name}: ${((now() - startedAt) / 1000).toFixed(0)} s\n`);
  }
  return tables;
}

function shown(table: Table): Table {
  console.log(`${toMarkdown(table)}\n`);
  return table;
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
  const folder = script('results');
  mkdirSync(folder, { recursive: true });
  const name = `${results.startedAt.toISOString().replaceAll(/[:.]/g, '-')}.json`;
  writeFileSync(join(folder, name), `${JSON.stringify(results, null, 2)}\n`);
  return join('results', name);
}

function usage(code: number): number {
  console.log(USAGE);
  return code;
}
