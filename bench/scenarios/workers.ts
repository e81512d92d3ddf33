/**
 * One process beside two. The load generator and the mock upstream need processor time too and share the machine with
 * what is measured: on two cores, the second worker gets what they leave. How much work a second of
 * the gateway's own processor time does says what it would get on cores of its own.
 */

import type { Reading } from '../load/meter.ts';
import type { WorkersResult } from '../load/workers.ts';
import { figures, interleave, type Results } from '../rounds.ts';
import type { Setup } from '../setup.ts';
import type { Row, Table } from '../table.ts';
import { startWorkersGateway, type WorkersGateway } from '../workers-gateway.ts';

const TWO = '2 workers';
const ONE = '1 process';
const USERS = 100;

interface Compared extends WorkersGateway {
  name: string;
}

export async function workers(setup: Setup): Promise<Table> {
  const { plan } = setup;
  const subjects: Compared[] = [
    { name: TWO, ...(await startWorkersGateway(setup, 2)) },
    { name: ONE, ...(await startWorkersGateway(setup, 1)) },
  ];
  const results = await interleave(plan.rounds, subjects, (subject) => measure(setup, subject));
  await Promise.all(subjects.map((subject) => subject.stop()));
  const per = [ONE];
  const unit = 'ms';
  return {
    title: `${USERS} users, one process and two, on the same cores as the load`,
    columns: [TWO, ONE],
    rows: [
      {
        metric: 'deltas per second, saturated',
        unit: '',
        values: perSecond(results, tokensOf),
        per,
      },
      {
        metric: "deltas per second of the gateway's own time",
        unit: '',
        values: perOwnSecond(results, tokensOf),
        per,
      },
      ...cores('saturated', results, ({ saturated }) => saturated.reading),
      { metric: 'short answers per second', unit: '', values: perSecond(results, answersOf), per },
      {
        metric: "short answers per second of the gateway's own time",
        unit: '',
        values: perOwnSecond(results, answersOf),
        per,
      },
      {
        metric: 'acknowledged, p50',
        unit,
        values: figures(results, ({ asked }) => asked.acknowledged.p50),
      },
      {
        metric: 'acknowledged, p99',
        unit,
        values: figures(results, ({ asked }) => asked.acknowledged.p99),
      },
      ...cores('short answers', results, ({ asked }) => asked.reading),
    ],
  };
}

function measure(setup: Setup, { ports, pids }: Compared): Promise<WorkersResult> {
  const own = pids.map((pid, n) => [`${OWN}${n}`, pid] as const);
  return setup.load.run('workers', {
    ports,
    users: USERS,
    tokens: setup.plan.saturatedTokens * 2,
    windowMs: setup.plan.windowMs * 2,
    pids: {
      ...Object.fromEntries(own),
      load: setup.load.pid,
      upstream: setup.upstream.pid,
    },
  });
}

/** In the readings, the gateway's processes. */
const OWN = 'own ';

/** How much, and in which stretch of time. */
interface Work {
  count: number;
  reading: Reading;
}

const tokensOf = ({ saturated }: WorkersResult): Work => ({
  count: saturated.tokens,
  reading: saturated.reading,
});
const answersOf = ({ asked }: WorkersResult): Work => ({
  count: asked.answers,
  reading: asked.reading,
});

function perSecond(results: Results<WorkersResult>, work: (result: WorkersResult) => Work) {
  return figures(results, (result) => {
    const { count, reading } = work(result);
    return (1_000 * count) / reading.elapsedMs;
  });
}

function perOwnSecond(results: Results<WorkersResult>, work: (result: WorkersResult) => Work) {
  return figures(results, (result) => {
    const { count, reading } = work(result);
    return (1_000 * count) / ownMs(reading);
  });
}

function ownMs({ cpuMs }: Reading): number {
  return Object.entries(cpuMs)
    .filter(([name]) => name.startsWith(OWN))
    .reduce((sum, [, ms]) => sum + ms, 0);
}

function cores(
  when: string,
  results: Results<WorkersResult>,
  readingOf: (result: WorkersResult) => Reading,
): Row[] {
  const share = (ms: (reading: Reading) => number) =>
    figures(results, (result) => {
      const reading = readingOf(result);
      return (100 * ms(reading)) / reading.elapsedMs;
    });
  const others = ({ cpuMs }: Reading) => (cpuMs['load'] ?? 0) + (cpuMs['upstream'] ?? 0);
  return [
    { metric: `cores busy, ${when}: the gateway`, unit: '%', values: share(ownMs) },
    { metric: `cores busy, ${when}: load and upstream`, unit: '%', values: share(others) },
  ];
}
