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
  const [, sessions] = plan.storedSessions;
  const full = await seededFolder(sessions);
  const messages = sessions * MESSAGES_PER_SESSION;
  const withHistory = `${GATEWAY}, ${messages.toLocaleString('en-US')} messages`;
  const bare = 'node alone';
  const kinds = [
    { name: GATEWAY, measure: () => startGatewayOnce(setup, stateFolder()) },
    { name: withHistory, measure: () => startGatewayOnce(setup, full) },
    { name: LEAN, measure: () => startRelayOnce(setup) },
    { name: bare, measure: runNodeOnce },
  ];
  const results = await interleave(plan.starts, kinds, ({ measure }) => measure());
  return {
    title: 'start',
    columns: kinds.map(({ name }) => name),
    rows: [
      {
        metric: 'spawn → listening',
        unit: 'ms',
        values: figures(results, (ms) => ms),
        per: [LEAN, bare],
      },
    ],
  };
}

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
