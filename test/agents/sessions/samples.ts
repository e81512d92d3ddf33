/** Values that the tests of the session store share. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Principal } from '../../../agents/principal.ts';
import type { Answer, NewTurn, SessionStore } from '../../../agents/sessions/store.ts';

export const alice: Principal = { userId: 'alice', instanceId: 'tokyo' };
export const bob: Principal = { userId: 'bob', instanceId: 'tokyo' };

export const KEY = 'agent:main:main';

export function turn(runId: string, change: Partial<NewTurn> = {}): NewTurn {
  return {
    runId,
    agentId: 'main',
    text: `question ${runId}`,
    attachments: [],
    options: {},
    timestamp: 1_000,
    ...change,
  };
}

export function answer(text: string, change: Partial<Answer> = {}): Answer {
  return { state: 'complete', content: [{ type: 'text', text }], timestamp: 2_000, ...change };
}

/** A question and its answer; its end is not asked for before its beginning is stored, as in life. */
export async function exchange(
  store: SessionStore,
  who: Principal,
  key: string,
  asked: NewTurn,
  answered: Answer,
): Promise<void> {
  await store.acceptTurn(who, key, { ...asked, start: true });
  await store.finishRun(who, key, asked.runId, answered);
}

/** A path for a database in a new folder that goes away with the test. */
export function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'oc-gateway-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'state', 'sessions.db');
}
