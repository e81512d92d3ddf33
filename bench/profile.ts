/** Where the gateway's processor time goes under load: V8's sampling profiler, summed by function. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { script } from './processes.ts';
import { runAlone } from './scenarios/alone.ts';
import { runHandshakes } from './scenarios/handshakes.ts';
import { runPaced } from './scenarios/paced.ts';
import { runSaturated } from './scenarios/saturated.ts';
import { runWatchedTabs } from './scenarios/watched.ts';
import { type Setup, type Subject, startGatewaySubject } from './setup.ts';
import type { Table } from './table.ts';

/** A `.cpuprofile`, as far as it is read: https://chromedevtools.github.io/devtools-protocol/tot/Profiler/ */
interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  /** The node that ran at each sample, and the microseconds since the sample before. */
  samples: number[];
  timeDeltas: number[];
}

const TOP = 30;

/** One profile for each kind of load; the files stay beside the results for a viewer. */
export async function profile(setup: Setup): Promise<Table[]> {
  const loads = [
    { title: 'profile, paced', run: runPaced },
    { title: 'profile, saturated', run: runSaturated },
    { title: 'profile, watched by many tabs', run: runWatchedTabs },
    { title: 'profile, one user', run: runAlone },
    { title: 'profile, handshakes', run: runHandshakes },
  ];
  const tables: Table[] = [];
  for (const { title, run } of loads) {
    const folder = profileFolder();
    const gateway = await startGatewaySubject(setup, {
      nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${folder}`],
      watched: false,
    });
    await run(setup, gateway);
    tables.push(...summed(title, await writtenProfile(gateway, folder)));
  }
  return tables;
}

function profileFolder(): string {
  const results = script('results');
  mkdirSync(results, { recursive: true });
  return mkdtempSync(join(results, 'profile-'));
}

/** It is written as the process ends in order. */
async function writtenProfile(gateway: Subject, folder: string): Promise<Profile> {
  await gateway.stop('SIGTERM');
  const [file] = readdirSync(folder);
  if (file === undefined) throw new Error('the gateway wrote no profile');
  return JSON.parse(readFileSync(join(folder, file), 'utf8'));
}

function summed(title: string, { nodes, samples, timeDeltas }: Profile): Table[] {
  const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]));
  const byFunction = new Map<string, number>();
  const byOwner = new Map<string, number>();
  let busy = 0;
  samples.forEach((node, index) => {
    const { owner, place } = places.get(node) ?? UNKNOWN;
    if (place === '(idle)') return;
    const time = timeDeltas[index] ?? 0;
    busy += time;
    byFunction.set(place, (byFunction.get(place) ?? 0) + time);
    byOwner.set(owner, (byOwner.get(owner) ?? 0) + time);
  });
  const rows = (sums: Map<string, number>) =>
    [...sums]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, TOP)
      .map(([metric, time]) => ({
        metric,
        unit: '',
        values: { '% of busy time': [(100 * time) / busy] },
      }));
  const columns = ['% of busy time'];
  return [
    { title: `${title}, by owner`, columns, rows: rows(byOwner) },
    { title: `${title}, by function (own time)`, columns, rows: rows(byFunction) },
  ];
}

const UNKNOWN = { owner: 'V8', place: '(unknown)' };

function placeOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']) {
  const name = functionName || '(anonymous)';
  if (url === '') return { owner: name.startsWith('(') ? name : 'native', place: name };
  if (url.startsWith('node:')) return { owner: 'node', place: `${name} ${url}:${lineNumber + 1}` };
  const path = relative(script('..'), url.startsWith('file:') ? fileURLToPath(url) : url);
  const [first = '', second = ''] = path.split('/');
  return {
    owner: first === 'node_modules' ? second : `${first}/`,
    place: `${name} ${path}:${lineNumber + 1}`,
  };
}
