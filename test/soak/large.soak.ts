/** One user's huge store: what a list of 100,000 sessions costs, and what removing 10,000 messages holds up. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSessionStore } from '../../agents/sessions/sqlite-store.ts';
import { answer, exchange } from '../agents/sessions/samples.ts';
import { connectClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { temporaryFolder } from '../support/gateway.ts';
import { percentile, printRow, startMetered } from './metered.ts';

const SESSIONS = 100_000;
const MESSAGES = 10_000;
const BATCH = 1_000;

const alice = { userId: 'alice', instanceId: 'default' };
const LONG = 'agent:main:long';

async function seed(path: string): Promise<void> {
  const store = openSessionStore({ path });
  for (let n = 0; n < SESSIONS; n += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, m) => {
      const id = n + m;
      return store.create(alice, { key: `agent:main:s-${id}`, agentId: 'main', timestamp: id });
    });
    await Promise.all(batch);
  }
  for (let n = 0; n < MESSAGES / 2; n += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, m) => {
      const runId = `r${n + m}`;
      const text = `question ${runId} `.repeat(10);
      const turn = { runId, agentId: 'main', text, attachments: [], options: {}, timestamp: 1 };
      const content = [{ type: 'text' as const, text: text.repeat(5) }];
      return exchange(store, alice, LONG, turn, answer('', { content }));
    });
    await Promise.all(batch);
  }
  await store.close();
}

test('a user with a huge store holds nobody up', { timeout: 600_000 }, async () => {
  const stateDir = await temporaryFolder();
  await seed(join(stateDir, 'oc-gateway.sqlite'));
  const config = testConfig({ gateway: { limits: { requestsPerSecond: 0 } } });
  const gateway = await startMetered({ config, stateDir, favoured: true });
  const client = await connectClient({ port: gateway.port, check: false });
  const bob = await connectClient({ port: gateway.port, user: 'bob', check: false });

  for (const [name, params] of [
    ['the newest 50', { limit: 50 }],
    ['50 in the middle', { limit: 50, offset: SESSIONS / 2 }],
    ['a search by label', { limit: 50, search: 's-99' }],
  ] as const) {
    await gateway.loopDelay();
    const took: number[] = [];
    for (let n = 0; n < 50; n += 1) {
      const asked = performance.now();
      await client.request('sessions.list', params);
      took.push(performance.now() - asked);
    }
    const { max } = await gateway.loopDelay();
    printRow([
      `sessions.list of ${SESSIONS}: ${name}`,
      `p50 ${percentile(took, 0.5).toFixed(1)} ms`,
      `slowest ${percentile(took, 1).toFixed(1)} ms`,
      `loop max ${max} ms`,
    ]);
  }

  await gateway.loopDelay();
  const asked = performance.now();
  await client.request('sessions.delete', { key: LONG });
  const answeredMs = performance.now() - asked;
  const meanwhile: number[] = [];
  for (let n = 0; n < 200; n += 1) {
    const at = performance.now();
    await bob.request('health');
    meanwhile.push(performance.now() - at);
  }
  const { p99, max } = await gateway.loopDelay();
  printRow([
    `sessions.delete of ${MESSAGES} messages`,
    `answered in ${answeredMs.toFixed(1)} ms`,
    `another's request meanwhile: slowest ${percentile(meanwhile, 1).toFixed(1)} ms`,
    `loop p99 ${p99} ms, max ${max} ms`,
  ]);
  const { messages } = await client.request('chat.history', { sessionKey: LONG });
  expect(messages).toEqual([]);
});
