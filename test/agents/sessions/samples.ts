/** Values that the tests of the session store share. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Principal } from '../../../agents/principal.ts';
import type { Answer, NewTurn } from '../../../agents/sessions/store.ts';

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

/** A path for a database in a new folder that goes away with the test. */
export function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'oc-gateway-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'state', 'sessions.db');
}
