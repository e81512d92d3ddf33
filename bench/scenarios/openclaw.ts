/** Beside OpenClaw's own gateway, where one is installed: one user, one process each. */

import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../clock.ts';
import { stateFolder } from '../gateway-process.ts';
import type { AnswerArgs, AnswerResult } from '../load/answer.ts';
import type { ClientKind } from '../load/client.ts';
import { OPENCLAW_BIN, OPENCLAW_CLIENT, startOpenClaw } from '../openclaw-process.ts';
import { treeResidentKib } from '../proc.ts';
import { figures, type Results } from '../rounds.ts';
import { GATEWAY, type Setup, startMeasuredGateway } from '../setup.ts';
import type { Row, Table } from '../table.ts';

const OPENCLAW = 'OpenClaw';

interface Process {
  port: number;
  pid: number;
  stop(): Promise<void>;
}

interface Measured {
  readyMs: number;
  idleKib: number;
  answeredKib: number;
  cold: AnswerResult;
  warm: AnswerResult[];
  long: AnswerResult;
}

/** Nothing where none is installed. */
export async function openclaw(setup: Setup): Promise<Table | undefined> {
  if (OPENCLAW_BIN === undefined) return undefined;
  const program = OPENCLAW_BIN;
  const ours = () => startMeasuredGateway(setup, { stateDir: stateFolder() });
  const theirs = () => startOpenClaw(program, setup.upstream.port);
  const results = {
    [GATEWAY]: [await measure(setup, ours)],
    [OPENCLAW]: [await measure(setup, theirs, OPENCLAW_CLIENT)],
  };
  return { title: 'beside OpenClaw', columns: [GATEWAY, OPENCLAW], rows: rowsOf(setup, results) };
}

/** A process that has opened its port may not be ready to shake hands: the first one that works counts. */
async function measure(
  setup: Setup,
  start: () => Promise<Process>,
  kind?: ClientKind,
): Promise<Measured> {
  const { settleMs, compared } = setup.plan;
  const startedAt = now();
  const { port, pid, stop } = await start();
  const sessionKey = 'agent:main:bench';
  const ask = (order: AnswerArgs['order']) =>
    setup.load.run('answer', { port, sessionKey, order, ...(kind && { kind }) });
  await setup.load.run('greet', { port, ...(kind && { kind }) });
  const readyMs = now() - startedAt;
  await sleep(settleMs);
  const idleKib = treeResidentKib(pid);
  const cold = await ask({ tokens: 1, everyMs: 0 });
  const warm: AnswerResult[] = [];
  while (warm.length < compared.questions) warm.push(await ask({ tokens: 1, everyMs: 0 }));
  const long = await ask({ tokens: compared.tokens, everyMs: setup.plan.tokenEveryMs });
  const answeredKib = treeResidentKib(pid);
  await stop();
  return { readyMs, idleKib, answeredKib, cold, warm, long };
}

function rowsOf({ plan }: Setup, results: Results<Measured>): Row[] {
  const { tokens } = plan.compared;
  const row = (
    metric: string,
    unit: string,
    figure: (measured: Measured) => number | undefined,
  ): Row => ({ metric, unit, values: figures(results, figure), per: [OPENCLAW] });
  const megabytes = (kib: number) => (1_024 * kib) / 1e6;
  const warm: Row = {
    metric: 'send → first delta, warm',
    unit: 'ms',
    values: Object.fromEntries(
      Object.entries(results).map(([name, all]) => [
        name,
        all.flatMap((each) => each.warm.map(({ firstDeltaMs }) => firstDeltaMs)),
      ]),
    ),
    per: [OPENCLAW],
  };
  return [
    row('spawn → first handshake', 'ms', ({ readyMs }) => readyMs),
    row('resident, nobody connected', 'MB', ({ idleKib }) => megabytes(idleKib)),
    row('send → first delta, first of all', 'ms', ({ cold }) => cold.firstDeltaMs),
    warm,
    row(`an answer of ${tokens} tokens`, 'kB', ({ long }) => long.bytes / 1e3),
    row('its deltas', '', ({ long }) => long.deltas),
    row('between two of them, p50', 'ms', ({ long }) => long.cadence?.p50),
    row('between two of them, p99', 'ms', ({ long }) => long.cadence?.p99),
    row('resident after these answers', 'MB', ({ answeredKib }) => megabytes(answeredKib)),
  ];
}
