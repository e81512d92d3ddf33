/** Resident memory: at rest, with a model's SDK loaded, and for each socket that is just open. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { IdleResult } from '../load/idle.ts';
import { residentKib } from '../proc.ts';
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

interface Weighed extends IdleResult {
  /** KiB before anybody connected, and after the first answer. */
  idleKib: number;
  answeredKib: number;
}

export async function memory(setup: Setup): Promise<Table> {
  const { plan } = setup;
  const kinds = [
    { name: GATEWAY, start: () => startGatewaySubject(setup) },
    { name: RELAY, start: () => startRelay(setup, 'sdk') },
    { name: LEAN, start: () => startRelay(setup, 'lean') },
  ];
  const results = await interleave(1, kinds, async ({ start }) => weigh(setup, await start()));
  const toMib = (kib: number) => kib / 1024;
  const perSocket = ({ before, after }: Weighed) => (after - before) / plan.idleSockets;
  const idleCpu = ({ reading }: Weighed) =>
    (100 * (reading.cpuMs[SUBJECT] ?? 0)) / reading.elapsedMs;
  return {
    title: 'memory and idleness',
    columns: [GATEWAY, RELAY, LEAN],
    rows: [
      {
        metric: 'resident, nobody connected',
        unit: 'MiB',
        values: figures(results, ({ idleKib }) => toMib(idleKib)),
        per: [LEAN],
      },
      {
        metric: 'resident after the first answers, SDK in use',
        unit: 'MiB',
        values: figures(results, ({ answeredKib }) => toMib(answeredKib)),
        per: [RELAY],
      },
      {
        metric: `resident for each of ${plan.idleSockets} idle sockets`,
        unit: 'KiB',
        values: figures(results, perSocket),
      },
      {
        metric: `core busy with ${FIRST_SOCKETS + plan.idleSockets} idle sockets`,
        unit: '%',
        values: figures(only(GATEWAY, results), idleCpu),
      },
    ],
  };
}

/** A process of its own for each: what one measurement leaves behind is not the next one's. */
async function weigh({ plan, load }: Setup, subject: Subject): Promise<Weighed> {
  const { target, pid } = subject;
  if (pid === undefined) throw new Error(`${subject.name} has no process`);
  await sleep(plan.settleMs);
  const idleKib = residentKib(pid);
  await load.run('alone', { target, warmUpMs: 0, askMs: 0 });
  const answeredKib = residentKib(pid);
  const idle = await load.run('idle', {
    port: target.port,
    pid,
    firstSockets: FIRST_SOCKETS,
    sockets: plan.idleSockets,
    settleMs: plan.settleMs,
    // Only the gateway has something to do for sockets that are idle.
    windowMs: subject.name === GATEWAY ? plan.idleMs : 0,
  });
  await subject.stop();
  return { idleKib, answeredKib, ...idle };
}
