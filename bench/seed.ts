/** Fills a session store as users would have, through the store itself. */

import type { Principal } from '../agents/principal.ts';
import { openDatabase } from '../agents/sessions/database.ts';
import { createSessionStore } from '../agents/sessions/sqlite-store.ts';
import type { SessionStore } from '../agents/sessions/store.ts';
import { databasePath, stateFolder } from './gateway-process.ts';

/** Half of all sessions are this user's, so that its list is long too. */
export const OWNER: Principal = { userId: 'bench-owner', instanceId: 'default' };

const QUESTION = 'How do I move a pointer without losing anything? '.repeat(4);
const ANSWER = 'Append, and let the pointer follow; what was written stays. '.repeat(15);
const TURNS_PER_SESSION = 50;

/** Messages of a session: a question and an answer in each turn. */
export const MESSAGES_PER_SESSION = 2 * TURNS_PER_SESSION;

const folders = new Map<number, Promise<string>>();

/** A state folder whose store has so many sessions. Filled once in a run; one gateway at a time may use it. */
export function seededFolder(sessions: number): Promise<string> {
  const known = folders.get(sessions);
  if (known) return known;
  const folder = stateFolder();
  const seeded = seedStore(databasePath(folder), sessions).then(() => folder);
  folders.set(sessions, seeded);
  return seeded;
}

/** Key of the session with this number; the owner has the even ones. */
export function sessionKeyOf(index: number): string {
  return `agent:main:seeded-${index}`;
}

/** Turns written at once; the store puts what is asked for together into one commit. */
const SESSIONS_AT_ONCE = 256;

async function seedStore(path: string, sessions: number): Promise<void> {
  const db = openDatabase(path);
  // Nobody would miss these messages after a power cut, and they are to be there soon.
  db.pragma('synchronous = OFF');
  db.pragma('cache_size = -262144');
  db.pragma('wal_autocheckpoint = 20000');
  const store = createSessionStore(db);
  for (let first = 0; first < sessions; first += SESSIONS_AT_ONCE) {
    const count = Math.min(SESSIONS_AT_ONCE, sessions - first);
    await Promise.all(
      Array.from({ length: count }, (_, index) => writeSession(store, first + index)),
    );
  }
  await store.close();
}

async function writeSession(store: SessionStore, index: number): Promise<void> {
  const owner = index % 2 === 0 ? OWNER : { ...OWNER, userId: `bench-user-${index}` };
  const key = sessionKeyOf(index);
  for (let turn = 0; turn < TURNS_PER_SESSION; turn += 1) {
    const runId = `${index}-${turn}`;
    const timestamp = FIRST_MESSAGE_AT + index * 1_000 + turn;
    await store.acceptTurn(owner, key, {
      runId,
      agentId: 'main',
      text: QUESTION,
      attachments: [],
      options: {},
      timestamp,
      start: true,
    });
    await store.finishRun(owner, key, runId, {
      state: 'complete',
      content: [{ type: 'text', text: ANSWER }],
      timestamp,
      provider: 'bench',
      model: 'bench',
      stopReason: 'stop',
      usage: { input: 50, output: 400, cacheRead: 0, cacheWrite: 0, total: 450 },
    });
  }
}

/** Milliseconds since the epoch; any time will do. */
const FIRST_MESSAGE_AT = 1_750_000_000_000;
