/** Where the gateway's processor time goes under load: V8's sampling profiler, summed by function. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { now } from './clock.ts';
import { script } from './processes.ts';
import { IDLE, type Profile, placeOf, UNKNOWN } from './profile-format.ts';
import { longestTurns } from './profile-turns.ts';
import { runAlone } from './scenarios/alone.ts';
import { runHandshakes } from './scenarios/handshakes.ts';
import { runPaced } from './scenarios/paced.ts';
import { runSaturated } from './scenarios/saturated.ts';
import { runWatchedTabs } from './scenarios/watched.ts';
import { type Setup, type Subject, startGatewaySubject } from './setup.ts';
import type { Table } from './table.ts';

const TOP = 30;

/** `CPU.<date>.<time>.<pid>.<thread>.<count>.cpuprofile` */
const MAIN_THREAD = /\.0\.\d+\.cpuprofile$/;

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
    const spawnedAt = now();
    const gateway = await startGatewaySubject(setup, {
      nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${folder}`],
      watched: false,
    });
    await setup.load.run('alone', { target: gateway.target, warmUpMs: 0, askMs: 0 });
    const startMs = now() - spawnedAt;
    await run(setup, gateway);
    const written = await writtenProfile(gateway, folder);
    tables.push(...summed(title, withoutStart(written, startMs)));
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
  // The checkpointer's thread writes one too.
  const file = readdirSync(folder).find((name) => MAIN_THREAD.test(name));
  if (file === undefined) throw new Error('the gateway wrote no profile');
  return JSON.parse(readFileSync(join(folder, file), 'utf8'));
}

/** The loading of programs, the SDK's included, is another measurement. */
function withoutStart(written: Profile, startMs: number): Profile {
  let ms = 0;
  const first = written.timeDeltas.findIndex((microseconds) => {
    ms += microseconds / 1_000;
    return ms > startMs;
  });
  const { samples, timeDeltas } = written;
  return { ...written, samples: samples.slice(first), timeDeltas: timeDeltas.slice(first) };
}

function summed(title: string, written: Profile): Table[] {
  const { nodes, samples, timeDeltas } = written;
  const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]));
  const byFunction = new Map<string, number>();
  const byOwner = new Map<string, number>();
  let busy = 0;
  samples.forEach((node, index) => {
    const { owner, place } = places.get(node) ?? UNKNOWN;
    if (place === IDLE) return;
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
    {
      title: `${title}, longest turns of the event loop`,
      columns: ['ms'],
      rows: longestTurns(written).map(({ ms, where }) => ({
        metric: where,
        unit: '',
        values: { ms: [ms] },
      })),
    },
  ];
}
