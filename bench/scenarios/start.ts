/** From the spawn to "listening", on any core, as an operator starts it. */

import { once } from 'node:events';
import { now } from '../clock.ts';
import { stateFolder } from '../gateway-process.ts';
import { endProcess, script, spawnNode } from '../processes.ts';
import { readyPort } from '../remote.ts';
import { figures, interleave } from '../rounds.ts';
import { MESSAGES_PER_SESSION, seededFolder } from '../seed.ts';
import { GATEWAY, LEAN, type Setup, startMeasuredGateway } from '../setup.ts';
import type { Table } from '../table.ts';

export async function start(setup: Setup): Promise<Table> {
  const { plan } = setup;
  const sessions = plan.storedSessions.at(-1) ?? 0;
  const full = await seededFolder(sessions);
  const messages = (sessions * MESSAGES_PER_SESSION).toLocaleString('en-US');
  const kinds = [
    { name: GATEWAY, measure: () => startGatewayOnce(setup, stateFolder()) },
    { name: WITH_HISTORY, measure: () => startGatewayOnce(setup, full) },
    { name: LEAN, measure: () => startRelayOnce(setup) },
    { name: BARE, measure: runNodeOnce },
  ];
  const { [WITH_HISTORY]: withHistory = [], ...values } = figures(
    await interleave(plan.starts, kinds, ({ measure }) => measure()),
    (ms) => ms,
  );
  const unit = 'ms';
  return {
    title: 'start',
    columns: [GATEWAY, LEAN, BARE],
    rows: [
      {
        metric: 'spawn → listening',
        unit,
        values,
        per: [LEAN, BARE],
        targets: [{ most: 150 }],
      },
      {
        metric: `spawn → listening with ${messages} stored messages`,
        unit,
        values: { [GATEWAY]: withHistory },
        targets: [{ most: 200 }],
      },
    ],
  };
}

const WITH_HISTORY = 'with history';
const BARE = 'node alone';

async function startGatewayOnce(setup: Setup, stateDir: string): Promise<number> {
  const gateway = await startMeasuredGateway(setup, { stateDir });
  await gateway.stop();
  return gateway.startMs;
}

async function startRelayOnce(setup: Setup): Promise<number> {
  const spawnedAt = now();
  const args = [script('relay.ts'), '--reader', 'lean', '--upstream', String(setup.upstream.port)];
  const child = spawnNode(args, { output: 'ipc' });
  await readyPort(child);
  const ms = now() - spawnedAt;
  await endProcess(child);
  return ms;
}

/** An empty program, from its spawn to its end. */
async function runNodeOnce(): Promise<number> {
  const spawnedAt = now();
  const child = spawnNode(['--eval', ''], { output: 'pipe' });
  await once(child, 'exit');
  return now() - spawnedAt;
}
