/**
 * A process for the durability test: writes turns without end and prints each run id once the store
 * has acknowledged it. Its first argument is the path of the database.
 */

import { writeSync } from 'node:fs';
import { openSessionStore } from '../../../agents/sessions/sqlite-store.ts';

const store = openSessionStore({ path: process.argv[2] ?? '' });
const who = { userId: 'alice', instanceId: 'tokyo' };

async function write(lane: number): Promise<never> {
  const key = `agent:main:${lane}`;
  for (let n = 0; ; n++) {
    const runId = `${lane}:${n}`;
    const text = `text of ${runId}`;
    const send = { runId, agentId: 'main', text, attachments: [], options: {}, timestamp: n };
    await store.acceptTurn(who, key, { ...send, start: true });
    await store.checkpoint(who, key, runId, `part of ${runId}`);
    // Synchronous: what is printed was acknowledged before, whatever happens next.
    writeSync(1, `${runId}\n`);
    if (n % 2 === 0) continue;
    const content = [{ type: 'text' as const, text: `answer to ${runId}` }];
    await store.finishRun(who, key, runId, { state: 'complete', content, timestamp: n });
    writeSync(1, `${runId}=done\n`);
  }
}

await Promise.all([0, 1, 2, 3].map(write));
