/** What the command line can ask for: which measurements, for how long, and what becomes of them. */

import { parseArgs } from 'node:util';
import { against, COMPARISONS, type Comparison, isCommit } from './against.ts';
import { now } from './clock.ts';
import { documentRun, documentSlopes } from './document.ts';
import { guard } from './guard.ts';
import { guardChecks } from './guard-checks.ts';
import { COMPARED, FULL, GUARDED, type Plan, PROFILED, QUICK, SWEPT } from './plan.ts';
import { profile } from './profile.ts';
import { alone } from './scenarios/alone.ts';
import { bytes } from './scenarios/bytes.ts';
import { handshakes } from './scenarios/handshakes.ts';
import { memory } from './scenarios/memory.ts';
import { openclaw } from './scenarios/openclaw.ts';
import { paced } from './scenarios/paced.ts';
import { saturated } from './scenarios/saturated.ts';
import { start } from './scenarios/start.ts';
import { store } from './scenarios/store.ts';
import { watched } from './scenarios/watched.ts';
import { workers } from './scenarios/workers.ts';
import { GATEWAY, type Setup } from './setup.ts';
import { type Table, targetsToMarkdown, toMarkdown } from './table.ts';

const SCENARIOS = {
  alone,
  paced,
  saturated,
  watched,
  bytes,
  handshakes,
  memory,
  store,
  start,
  workers,
  openclaw,
};

export const USAGE = `npm run bench -- [--quick] [--only name,…] [--document]
npm run bench -- --profile | --plots | --guard
npm run bench -- --against commit [--quick] [--only name,…]

  --quick    one short round of everything, to see that it works
  --only     some of: ${Object.keys(SCENARIOS).join(', ')}
  --document also writes the tables into docs/performance.md
  --profile  CPU profiles of the gateway under load
  --plots    how cost grows: writes docs/plots/, and the slopes into docs/performance.md
  --guard    a few ratios in half a minute; fails if the gateway has become grossly dearer
  --against  beside the gateway of a commit that git knows: ${Object.keys(COMPARISONS).join(', ')}

With OPENCLAW_BIN in the environment, the OpenClaw that it names is measured too.`;

export interface Mode {
  plan: Plan;
  /** The gateway runs from its sources: there, a function's file says more than a bundle's would. */
  fromSources?: boolean;
  /** Prints its tables as they come. */
  measure(setup: Setup): Promise<Measured>;
  document?(machine: string, tables: readonly Table[]): void;
}

export interface Measured {
  tables: Table[];
  /** It was to hold and does not. */
  failed?: boolean;
}

/** Nothing if what is asked for makes no sense, or if it is help. */
export function modeOf(args: string[]): Mode | undefined {
  const { values: flags } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean' },
      only: { type: 'string' },
      document: { type: 'boolean' },
      profile: { type: 'boolean' },
      plots: { type: 'boolean' },
      guard: { type: 'boolean' },
      against: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  const { quick, only, document, against: commit, ...special } = flags;
  const [wanted, ...others] = Object.keys(special);
  const isPlain = !quick && only === undefined;
  // The page carries a full run or none.
  if (others.length > 0 || (document && !isPlain)) return undefined;
  if (wanted !== undefined) {
    return isPlain && !document && commit === undefined ? SPECIAL[wanted] : undefined;
  }
  if (commit !== undefined) {
    const comparisons = chosen(COMPARISONS, only);
    if (document || !comparisons || !isCommit(commit)) return undefined;
    return comparing(commit, comparisons, quick ?? false);
  }
  const scenarios = chosen(SCENARIOS, only);
  if (!scenarios) return undefined;
  return {
    plan: quick ? QUICK : FULL,
    measure: (setup) => runScenarios(setup, scenarios),
    ...(document && { document: documentRun }),
  };
}

/** Those that are named, or all; nothing if there is no such, or one is named twice. */
function chosen<Kind>(
  all: Readonly<Record<string, Kind>>,
  only: string | undefined,
): [string, Kind][] | undefined {
  const entries = Object.entries(all);
  if (only === undefined) return entries;
  const names = only.split(',');
  const wanted = entries.filter(([name]) => names.includes(name));
  return wanted.length < names.length ? undefined : wanted;
}

function comparing(commit: string, named: readonly [string, Comparison][], quick: boolean): Mode {
  const comparisons = named.map(([, comparison]) => comparison);
  return {
    plan: quick ? QUICK : COMPARED,
    measure: async (setup) => ({ tables: (await against(setup, commit, comparisons)).map(shown) }),
  };
}

const SPECIAL: Readonly<Record<string, Mode>> = {
  profile: {
    plan: PROFILED,
    fromSources: true,
    measure: async (setup) => ({ tables: (await profile(setup)).map(shown) }),
  },
  plots: {
    plan: SWEPT,
    async measure(setup) {
      // What draws takes a while to load, and nobody else needs it.
      const { plotSweeps } = await import('./sweeps.ts');
      return { tables: [shown(await plotSweeps(setup))] };
    },
    document: documentSlopes,
  },
  guard: {
    plan: GUARDED,
    async measure(setup) {
      const { table, holds } = await guard(GATEWAY, guardChecks(setup));
      return { tables: [shown(table)], failed: !holds };
    },
  },
};

async function runScenarios(
  setup: Setup,
  scenarios: readonly [string, (setup: Setup) => Promise<Table | undefined>][],
): Promise<Measured> {
  const tables: Table[] = [];
  for (const [name, scenario] of scenarios) {
    const startedAt = now();
    const table = await scenario(setup);
    if (!table) continue;
    tables.push(shown(table));
    console.log(`${name}: ${((now() - startedAt) / 1000).toFixed(0)} s\n`);
  }
  const targets = targetsToMarkdown(tables);
  if (targets !== '') console.log(`${targets}\n`);
  return { tables };
}

function shown(table: Table): Table {
  console.log(`${toMarkdown(table)}\n`);
  return table;
}
