/**
 * Session stores of any size, as users would have filled them. A block of sessions is written through
 * the store itself; SQLite then copies its rows until there are enough, whatever columns they have.
 */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Principal } from '../agents/principal.ts';
import { closeDatabase, openDatabase } from '../agents/sessions/database.ts';
import { migrations } from '../agents/sessions/migrations.ts';
import { createSessionStore } from '../agents/sessions/sqlite-store.ts';
import type { SessionStore } from '../agents/sessions/store.ts';
import { databasePath, RESULTS, temporaryFolder } from './gateway-process.ts';
import { script } from './processes.ts';
import { copyBlocks } from './seed-blocks.ts';

const inDefault = (userId: string): Principal => ({ userId, instanceId: 'default' });

/** Has half of all sessions: the even ones. */
export const OWNER = inDefault('bench-owner');

/** Has `SESSIONS_PER_BLOCK / 2` sessions, however many there are. */
export const NEIGHBOUR = inDefault('bench-user-0');

export const SESSIONS_PER_BLOCK = 100;

/** Turns of the sessions that are long, and of all others. A turn has two messages. */
const LONG_TURNS = 32;
const SHORT_TURNS = 2;
/** Of each twenty sessions these two are long: one of the owner, one of somebody else. */
const LONG = new Set([0, 11]);

const MESSAGES_PER_BLOCK = countMessages();

/** On average. */
export const MESSAGES_PER_SESSION = MESSAGES_PER_BLOCK / SESSIONS_PER_BLOCK;

const QUESTION = 'How do I move a pointer without losing anything? '.repeat(4);
const ANSWER = 'Append, and let the pointer follow; what was written stays. '.repeat(15);

/** Milliseconds since the epoch; any time will do. */
const FIRST_MESSAGE_AT = 1_750_000_000_000;

/** Key of the session with this number. */
export function sessionKeyOf(index: number): string {
  return `agent:main:seeded-${index}`;
}

/** Numbers of the owner's sessions that have more messages than a page. */
export function longSessionsOf(sessions: number): number[] {
  return Array.from({ length: sessions / 20 }, (_, index) => 20 * index);
}

const SOURCES = [import.meta.filename, script('seed-blocks.ts')];

/**
 * A state folder whose store has so many sessions, a multiple of `SESSIONS_PER_BLOCK`. It is kept
 * with the results for later runs; what is seeded or how it is stored gives it another name. One
 * gateway at a time may use it, and should leave it as it is.
 */
export async function seededFolder(sessions: number): Promise<string> {
  const made = createHash('sha256');
  for (const text of [...migrations, ...SOURCES.map((file) => readFileSync(file))])
    made.update(text);
  const prefix = `seeded-${sessions}-`;
  const folder = join(RESULTS, `${prefix}${made.digest('hex').slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  const unfinished = temporaryFolder('seeding-');
  await seedStore(databasePath(unfinished), sessions);
  // What an older schema or seed left behind is of no use any more, and large.
  for (const name of readdirSync(RESULTS).filter((each) => each.startsWith(prefix))) {
    rmSync(join(RESULTS, name), { recursive: true });
  }
  renameSync(unfinished, folder);
  return folder;
}

/** Into a new file. */
export async function seedStore(path: string, sessions: number): Promise<void> {
  const store = createSessionStore(openDatabase(path));
  await writeBlock(store);
  await store.close();
  const db = openDatabase(path);
  // Nobody would miss these messages after a power cut, and they are to be there soon.
  db.pragma('synchronous = OFF');
  db.pragma('journal_mode = OFF');
  db.pragma('cache_size = -262144');
  db.transaction(copyBlocks)(db, sessions / SESSIONS_PER_BLOCK);
  closeDatabase(db);
}

async function writeBlock(store: SessionStore): Promise<void> {
  await Promise.all(
    Array.from({ length: SESSIONS_PER_BLOCK }, (_, index) => writeSession(store, index)),
  );
}

async function writeSession(store: SessionStore, index: number): Promise<void> {
  const owner = index % 2 === 0 ? OWNER : NEIGHBOUR;
  const key = sessionKeyOf(index);
  for (let turn = 0; turn < turnsOf(index); turn += 1) {
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

function turnsOf(index: number): number {
  return LONG.has(index % 20) ? LONG_TURNS : SHORT_TURNS;
}

function countMessages(): number {
  const turns = Array.from({ length: SESSIONS_PER_BLOCK }, (_, index) => turnsOf(index));
  return 2 * turns.reduce((sum, each) => sum + each, 0);
}
