/** The session store on SQLite: reads go straight to the tables, writes through the group commit. */

import { randomUUID } from 'node:crypto';
import { closeDatabase, type Db, IN_MEMORY, openDatabase } from './database.ts';
import { createGroupCommit } from './group-commit.ts';
import { lockStore, type Unlock } from './lock.ts';
import { type SessionRow, toMessage, toRun, toSession } from './records.ts';
import { createRunTable } from './run-table.ts';
import { createSessionTable } from './session-table.ts';
import type { HistoryPage, HistoryQuery, SessionRecord, SessionStore } from './store.ts';
import { createTranscriptTable } from './transcript-table.ts';
import {
  acceptTurn,
  createSession,
  endRun,
  findMessage,
  inject,
  recover,
  reset,
  type Tables,
} from './turns.ts';

export interface SessionStoreOptions {
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** Milliseconds of a clock that never goes back; bounds the time that one commit takes. */
  elapsed?: () => number;
  /** Makes session ids: UUIDs, never the same twice. */
  newId?: () => string;
  /** Called when the store has been closed. */
  unlock?: Unlock;
}

/**
 * Opens the store at `path`, a file or `:memory:`, and migrates it. A file belongs to one process at a
 * time: `recover` takes the runs of any other for dead.
 *
 * @throws {StoreFileError} if the file is in use, another program's, newer than this one, or unusable.
 */
export function openSessionStore(options: { path: string } & SessionStoreOptions): SessionStore {
  const { path } = options;
  if (path === IN_MEMORY) return createSessionStore(openDatabase(path), options);
  // First of all: a newer release must not migrate a file under an older one that uses it.
  const unlock = lockStore(path);
  try {
    return createSessionStore(openDatabase(path), { ...options, unlock });
  } catch (error) {
    unlock();
    throw error;
  }
}

/** The store on a database that `openDatabase` has opened; closing the store closes it. */
export function createSessionStore(db: Db, options: SessionStoreOptions = {}): SessionStore {
  const { now = Date.now, newId = randomUUID } = options;
  const sessions = createSessionTable(db);
  const transcript = createTranscriptTable(db);
  const runs = createRunTable(db);
  const tables: Tables = { sessions, transcript, runs };
  const writes = createGroupCommit(db, options.elapsed);
  let closed: Promise<void> | undefined;

  function reread(row: SessionRow): SessionRecord {
    const current = sessions.read(row.id);
    if (!current) throw new Error('A session vanished inside a transaction.');
    return toSession(current);
  }

  return {
    describe(principal, key) {
      const row = sessions.find(principal, key);
      return row && toSession(row);
    },

    list(principal, query) {
      const { rows, total } = sessions.list(principal, query);
      return { sessions: rows.map(toSession), total };
    },

    history(principal, key, query) {
      const row = sessions.find(principal, key);
      return row && historyPage(tables, row, query);
    },

    message(principal, key, id) {
      const session = sessions.find(principal, key);
      const row = session && findMessage(transcript, session, id);
      return row && toMessage(row);
    },

    offsetOf(principal, key, id) {
      const session = sessions.find(principal, key);
      const row = session && findMessage(transcript, session, id);
      if (!row || !transcript.onPath(session.id, session, row)) return undefined;
      return session.depth - row.depth;
    },

    attachment(principal, key, messageSeq, index) {
      const session = sessions.find(principal, key);
      return session && transcript.attachment(session.id, messageSeq, index);
    },

    *ancestors(principal, key, beforeSeq) {
      const session = sessions.find(principal, key);
      const start = session && transcript.bySeq(session.id, beforeSeq);
      if (!start) return;
      const parent = { branch: start.branch, depth: start.depth - 1 };
      for (const row of transcript.walk(session.id, parent)) yield toMessage(row);
    },

    run(principal, key, runId) {
      const session = sessions.find(principal, key);
      const row = session && runs.find(session.id, runId);
      return row && toRun(row);
    },

    create: (principal, session) =>
      writes.submit(() => {
        const existing = sessions.find(principal, session.key);
        if (existing) return { outcome: 'existing', session: toSession(existing) };
        const row = createSession(tables, principal, { ...session, sessionId: newId() });
        if (!row) return { outcome: 'refused', reason: 'not_found' };
        return { outcome: 'created', session: toSession(row) };
      }),

    acceptTurn: (principal, key, turn) =>
      writes.submit(() => acceptTurn(tables, principal, key, turn, newId)),

    inject: (principal, key, note) =>
      writes.submit(() => {
        const row = sessions.find(principal, key);
        return row && inject(tables, row, note);
      }),

    patch: (principal, key, change, timestamp) =>
      writes.submit(() => {
        const row = sessions.find(principal, key);
        if (!row) return undefined;
        sessions.patch(row, change, timestamp);
        return reread(row);
      }),

    reset: (principal, key, timestamp) =>
      writes.submit(() => {
        const row = sessions.find(principal, key);
        if (!row) return undefined;
        reset(tables, row, newId(), timestamp);
        return reread(row);
      }),

    delete: (principal, key) =>
      writes.submit(() => {
        const row = sessions.find(principal, key);
        if (row) sessions.remove(row.id);
        return row !== undefined;
      }),

    startRun: (principal, key, runId) =>
      writes.submit(() => {
        const row = sessions.find(principal, key);
        return row !== undefined && runs.start(row.id, runId, now());
      }),

    checkpoint: (principal, key, runId, text) =>
      writes.submit(() => {
        const row = sessions.find(principal, key);
        if (row && text !== '') runs.addChunk(row.id, runId, text);
      }),

    finishRun: (principal, key, runId, answer) =>
      writes.submit(() => {
        const row = sessions.find(principal, key);
        const run = row && runs.find(row.id, runId);
        const message = run && endRun(tables, row, run, answer);
        return message && { message, session: reread(row) };
      }),

    recover: (timestamp) => writes.submit(() => recover(tables, timestamp)),

    close() {
      closed ??= new Promise((resolve) => {
        writes.close();
        try {
          closeDatabase(db);
        } finally {
          options.unlock?.();
        }
        resolve();
      });
      return closed;
    },
  };
}

function historyPage(tables: Tables, row: SessionRow, query: HistoryQuery): HistoryPage {
  const { transcript, runs } = tables;
  const newest = { branch: row.branch, depth: row.depth - query.offset };
  const rows = transcript.newest(row.id, newest, query.limit);
  const pending = runs.slots(row.id).filter((slot) => transcript.onPath(row.id, row, slot));
  const oldest = rows.at(-1)?.depth ?? 1;
  const hasMore = oldest > 1;
  return {
    session: toSession(row),
    messages: rows.toReversed().map(toMessage),
    hasMore,
    ...(hasMore && { nextOffset: row.depth - oldest + 1 }),
    totalMessages: row.depth - pending.length,
  };
}
