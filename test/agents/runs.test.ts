/** Runs that begin together leave the event loop to others in between. */

import { expect, test } from 'vitest';
import type { AgentDefinition } from '../../agents/definition.ts';
import { createRuns } from '../../agents/runs.ts';
import { IN_MEMORY } from '../../agents/sessions/database.ts';
import { openSessionStore } from '../../agents/sessions/sqlite-store.ts';
import { MODEL } from '../providers/calls.ts';

const HERD = 24;

const agent: AgentDefinition = {
  id: 'main',
  systemPrompt: '',
  models: [
    {
      ref: 'p/m',
      api: 'demo',
      endpoint: { id: 'p', baseUrl: '', apiKey: '', headers: {}, silenceMs: 1_000 },
      info: MODEL,
      maxConcurrentCalls: 1,
      name: 'm',
    },
  ],
  thinking: 'off',
  reasoning: 'off',
  timeoutMs: 60_000,
  mediaMaxBytes: 0,
};

function busy(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test('a herd of messages does not begin in one turn of the event loop', async () => {
  const store = openSessionStore({ path: IN_MEMORY });
  let turn = 0;
  let counting = true;
  const count = () => {
    turn += 1;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  const begun: number[] = [];
  const none = () => 0;
  const runs = createRuns({
    store,
    catalog: () => ({
      agents: new Map([['main', agent]]),
      models: new Map(),
      defaultAgentId: 'main',
    }),
    async callModel() {
      begun.push(turn);
      // A context and a request take about so long.
      busy(3);
      return { type: 'done', stopReason: 'stop' };
    },
    listener: { started() {}, delta() {}, reasoning() {}, ended() {} },
    now: Date.now,
    checkpointMs: () => 250,
    maxQueuedPerSession: none,
    maxConcurrent: none,
    maxPerUser: none,
    maxAnswerChars: () => 1_000,
    onBug(error) {
      throw error;
    },
  });
  const users = Array.from({ length: HERD }, (_, n) => ({ userId: `u${n}`, instanceId: 'i' }));
  await Promise.all(
    users.map((principal) =>
      runs.send(principal, 'main', {
        runId: 'r',
        agentId: 'main',
        text: 'hi',
        attachments: [],
        options: {},
        timestamp: 1,
      }),
    ),
  );
  await runs.drain(30_000);
  counting = false;
  expect(begun).toHaveLength(HERD);
  // 3 ms each against 2 ms of a turn: one, and some more where a turn of the budget begins within this count's.
  const perTurn = Map.groupBy(begun, (each) => each);
  expect(Math.max(...[...perTurn.values()].map((each) => each.length))).toBeLessThanOrEqual(4);
  await store.close();
});
