/** New sockets: upgrade, challenge, connect, hello-ok. */

import { figures, interleave } from '../rounds.ts';
import {
  GATEWAY,
  LEAN,
  pidsOf,
  runWatched,
  type Setup,
  SUBJECT,
  type Subject,
  startGatewaySubject,
  startRelay,
  stopAll,
} from '../setup.ts';
import type { Table } from '../table.ts';
import { busyRows, loopDelayRows } from './busy-rows.ts';

/** Under way at once: enough that the server always has one to serve. */
const AT_ONCE = 32;

export async function handshakes(setup: Setup): Promise<Table> {
  const { plan } = setup;
  // A relay shakes hands without looking; which one does not matter.
  const subjects = [await startGatewaySubject(setup), await startRelay(setup, 'lean')];
  const results = await interleave(plan.rounds, subjects, (each) => runHandshakes(setup, each));
  await stopAll(subjects);
  const perSecond = figures(results, ({ count, reading }) => (1_000 * count) / reading.elapsedMs);
  const cpu = figures(results, ({ count, reading }) => {
    const ms = reading.cpuMs[SUBJECT];
    return ms === undefined ? undefined : (1_000 * ms) / count;
  });
  return {
    title: 'handshakes',
    columns: [GATEWAY, LEAN],
    rows: [
      {
        metric: 'per second',
        unit: '',
        values: perSecond,
        per: [LEAN],
        targets: [{ least: 5_000 }],
      },
      { metric: 'CPU of each', unit: 'µs', values: cpu, per: [LEAN] },
      ...loopDelayRows(results),
      ...busyRows(results),
    ],
  };
}

/** Also what a profile is made of. */
export function runHandshakes(setup: Setup, subject: Subject) {
  return runWatched(setup, subject, 'handshakes', {
    port: subject.target.port,
    atOnce: AT_ONCE,
    warmUpMs: setup.plan.warmUpMs,
    windowMs: setup.plan.windowMs,
    pids: pidsOf(setup, subject),
  });
}
