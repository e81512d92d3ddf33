/** Resident memory: at rest, with a model's SDK loaded, and for each socket that is just open. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { IdleResult } from '../load/idle.ts';
import { mostDescriptors, residentKib } from '../proc.ts';
import { figures, interleave, only } from '../rounds.ts';
import {
  GATEWAY,
  LEAN,
  RELAY,
  type Setup,
  SUBJECT,
  type Subject,
  startGatewaySubject,
  startRelay,
} from '../setup.ts';
import type { Table } from '../table.ts';

/** Opened before any is weighed: they bring what is allocated once. */
const FIRST_SOCKETS = 500;

/** For the first sockets, and for what else a process has open. */
const SPARE_DESCRIPTORS = 1_000;

interface Weighed extends IdleResult {
  /** KiB before anybody connected, and after the first answer. */
  idleKib: number;
  answeredKib: number;
}

export async function memory(setup: Setup): Promise<Table> {
  const sockets = affordableSockets(setup.plan.idleSockets);
  const kinds = [
    { name: GATEWAY, start: () => startGatewaySubject(setup, { watched: false }) },
    { name: RELAY, start: () => startRelay(setup, 'sdk') },
    { name: LEAN, start: () => startRelay(setup, 'lean') },
  ];
  const results = await interleave(1, kinds, async ({ start }) =>
    weigh(setup, await start(), sockets),
  );
  const perSocket = ({ residentKib: [before = 0, after = 0] }: Weighed) =>
    inBytes(after - before) / sockets / 1e3;
  const idleCpu = ({ reading }: Weighed) =>
    (100 * (reading.cpuMs[SUBJECT] ?? 0)) / reading.elapsedMs;
  const count = sockets.toLocaleString('en-US');
  return {
    title: 'memory and idleness',
    columns: [GATEWAY, RELAY, LEAN],
    rows: [
      {
        metric: 'resident, nobody connected',
        unit: 'MB',
        values: figures(results, ({ idleKib }) => inBytes(idleKib) / 1e6),
        per: [LEAN],
        targets: [{ most: 75 }],
      },
      {
        metric: 'resident after the first answers, SDK in use',
        unit: 'MB',
        values: figures(results, ({ answeredKib }) => inBytes(answeredKib) / 1e6),
        per: [RELAY],
        targets: [{ most: 120 }],
      },
      {
        metric: `resident for each of ${count} idle sockets`,
        unit: 'kB',
        values: figures(results, perSocket),
        targets: [{ most: 6 }],
      },
      {
        metric: `core busy with ${count} idle sockets, ticks included`,
        unit: '%',
        values: figures(only(GATEWAY, results), idleCpu),
        targets: [{ most: 1 }],
      },
    ],
  };
}

/** As many as are wanted, or as the system lets a process have. */
export function affordableSockets(wanted: number): number {
  return Math.min(wanted, mostDescriptors() - SPARE_DESCRIPTORS);
}

function inBytes(kib: number): number {
  return 1_024 * kib;
}

/** A process of its own for each: what one measurement leaves behind is not the next one's. */
async function weigh({ plan, load }: Setup, subject: Subject, sockets: number): Promise<Weighed> {
  const { target, pid } = subject;
  if (pid === undefined) throw new Error(`${subject.name} has no process`);
  await sleep(plan.settleMs);
  const idleKib = residentKib(pid);
  await load.run('alone', { target, warmUpMs: 0, askMs: 0 });
  const answeredKib = residentKib(pid);
  const idle = await load.run('idle', {
    port: target.port,
    pid,
    steps: [FIRST_SOCKETS, FIRST_SOCKETS + sockets],
    settleMs: plan.settleMs,
    // Only the gateway has something to do for sockets that are idle.
    windowMs: subject.name === GATEWAY ? plan.idleMs : 0,
  });
  await subject.stop();
  return { idleKib, answeredKib, ...idle };
}
