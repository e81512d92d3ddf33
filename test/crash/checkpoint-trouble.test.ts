/**
 * The write-ahead log cannot be moved into the database for minutes: what is sent is saved all the same, and the
 * operator is told, once when it begins and once when it is over. Minutes pass here in a hundredth of their time.
 */

import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Client, connectClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type GatewayProcess, startGateway } from '../support/gateway.ts';
import { canTrace, failing } from '../support/strace.ts';
import { startOpenAiUpstream } from '../support/upstream/openai.ts';
import { connectAnywhere, startWorkers } from '../support/workers.ts';

/** Loaded by each process of the gateway before its own code. */
const HASTE = `const now = performance.now.bind(performance); performance.now = () => now() * 100;`;
const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(HASTE)}` };

async function configured(gateway: object = {}) {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  return { env, config: testConfig({ upstream: upstream.url, gateway: { ...gateway } }) };
}

const database = (gateway: GatewayProcess) => join(gateway.stateDir, 'oc-gateway.sqlite');

/** More than the log may hold before it is moved. */
async function fill(client: Client): Promise<void> {
  for (let n = 0; n < 5; n += 1) await client.say('main', `${n}`.repeat(600_000), `large-${n}`);
}

const told = (gateway: GatewayProcess, event: string) =>
  gateway.logs.filter((line) => line['event'] === event).length;

describe.runIf(canTrace())('while the disk has no room for the database file', () => {
  test('the operator is told once, with the reason and the size of the log, and once when it has', async () => {
    const gateway = await startGateway(await configured());
    const client = await connectClient({ port: gateway.port });
    const ready = async () => (await fetch(`http://127.0.0.1:${gateway.port}/readyz`)).status;
    const fault = await failing(gateway.pid, [database(gateway)], 'pwrite64', 'ENOSPC');
    await fill(client);
    const trouble = await gateway.logged('wal_checkpoints_failing');
    expect(trouble).toMatchObject({ level: 'warn', reason: 'its disk is full' });
    expect(trouble['logBytes']).toBeGreaterThan(4 * 1024 * 1024);
    expect(await ready()).toBe(200);
    await client.say('main', 'small', 'small');

    await fault.stop();
    await gateway.logged('wal_checkpoints_recovered');
    expect(await ready()).toBe(200);
    expect(told(gateway, 'wal_checkpoints_failing')).toBe(1);
    expect(told(gateway, 'store_failing')).toBe(0);
  });
});

test('while somebody reads the store of several workers, it is their supervisor who tells', async () => {
  const gateway = await startWorkers(await configured({ workers: 2 }));
  const client = await connectAnywhere(gateway.ports, { user: 'ann' });
  await client.say('main', 'before', 'before');
  const reader = new Database(database(gateway));
  onTestFinished(() => void reader.close());
  reader.exec('BEGIN; SELECT count(*) FROM runs');
  await fill(client);
  const trouble = await gateway.logged('wal_checkpoints_failing');
  expect(trouble).toMatchObject({ pid: gateway.pid, reason: expect.stringContaining('a backup') });
  await client.say('main', 'small', 'small');

  reader.exec('ROLLBACK');
  await gateway.logged('wal_checkpoints_recovered', { pid: gateway.pid });
  expect(told(gateway, 'wal_checkpoints_failing')).toBe(1);
});
