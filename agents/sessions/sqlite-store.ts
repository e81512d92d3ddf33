/** The session store on SQLite: reads go straight to the tables, writes through the group commit. */

import { randomUUID } from 'node:crypto';
import type { Principal } from '../principal.ts';
import { listBranches, refused, rewind, switchBranch } from './branching.ts';
import { type CheckpointTrouble, createCheckpointHealth } from './checkpoint-health.ts';
import {
  createCheckpointer,
  createSharedCheckpointer,
  leaveCheckpoints,
  NO_CHECKPOINTER,
} from './checkpointer.ts';
import { createCopyTable } from './copy-table.ts';
import { closeDatabase, type Db, IN_MEMORY, openDatabase } from './database.ts';
import { fork } from './fork.ts';
import { createGroupCommit } from './group-commit.ts';
import { lockStore, shareStore, type Unlock } from './lock.ts';
import { createLogSync, type LogSync } from './log-sync.ts';
import { createOneByOne } from './one-by-one.ts';
import { createPlaceCheck, ELSEWHERE, identityOf } from './place.ts';
import { guarded, guardedWalk, unreadable } from './read-guard.ts';
import { type SessionRow, toMessage, toRun, toSession, toSpoken } from './records.ts';
import { purge, removeSession } from './removal.ts';
import { retire } from './retention.ts';
import { createRunTable } from './run-table.ts';
import { createSearch } from './search.ts';
import { createSessionTable } from './session-table.ts';
import {
  type HistoryPage,
  type HistoryQuery,
  type SessionRecord,
  type SessionStore,
  StoreFileError,
  StoreUnavailableError,
} from './store.ts';
import { createTranscriptTable } from './transcript-table.ts';
import {
  acceptTurn,
  createSession,
  endRun,
  findMessage,
  hasRoom,
  inject,
  recover,
  reset,
  type Tables,
} from './turns.ts';
import { removeUser } from './user-removal.ts';

export interface SessionStoreOptions {
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** Milliseconds of a clock that never goes back; bounds the time that one commit takes. */
  elapsed?: () => number;
  /** Makes session ids: UUIDs, never the same twice. */
  newId?: () => string;
  /** Called when writes begin to fail, with the reason, and with nothing when they succeed again. */
  onHealth?: (failure: StoreUnavailableError | undefined) => void;
  /** Called when checkpoints have failed for a minute, and with nothing when they have worked again for as long. */
  onCheckpointTrouble?: (trouble: CheckpointTrouble | undefined) => void;
  /** Milliseconds from a commit to the checkpoint of a file's log. */
  checkpointMs?: number;
  /** Bytes that one user may have stored, read at each write that adds some; 0 is no limit. */
  maxBytesPerUser?: () => number;
  /** Milliseconds between two looks whether writes succeed again. */
  probeMs?: number;
  /** Whether the files stand where they were opened: by itself, the store looks. */
  isInPlace?: () => boolean;
  /** How commits of a file come to the disk. */
  logSync?: LogSync;
  /** Called when the store has been closed. */
  unlock?: Unlock;
  /** Other processes of this gateway write to the file too. */
  sharing?: Sharing;
}

export interface Sharing {
  /** The supervisor keeps the file in order for all: it moves the log into the database. */
  role: 'supervisor' | 'worker';
  /** Names this process among those that write. */
  owner: number;
}

/**
 * How long a write waits for the commits of other processes, in milliseconds. They take milliseconds each, so who
 * waits for longer has met a disk or a program that is in trouble.
 */
const PATIENCE_MS = 2_000;

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

/**
 * The supervisor's: it owns the file, and its workers of this `generation` share it. Nobody else does, so it may
 * `recover`.
 *
 * @throws {StoreFileError} as `openSessionStore`.
 */
export function openSupervisedStore(
  options: { path: string; generation: number } & SessionStoreOptions,
): SessionStore {
  const unlock = lockStore(options.path, options.generation);
  try {
    const sharing: Sharing = { role: 'supervisor', owner: 0 };
    return createSessionStore(openDatabase(options.path), { ...options, unlock, sharing });
  } catch (error) {
    unlock();
    throw error;
  }
}

/**
 * A worker's, on the file that its supervisor has opened and migrated: `file` is its identity.
 *
 * @throws {StoreFileError} `in_use` if that supervisor is gone and another has taken its place, `unusable` if another
 *   file stands there by now, or none.
 */
export function openWorkerStore(
  options: {
    path: string;
    file: string | undefined;
    generation: number;
    owner: number;
  } & SessionStoreOptions,
): SessionStore {
  const unlock = shareStore(options.path, options.generation);
  try {
    if (identityOf(options.path) !== options.file) {
      throw new StoreFileError('unusable', options.path, ELSEWHERE);
    }
    const sharing: Sharing = { role: 'worker', owner: options.owner };
    return createSessionStore(openDatabase(options.path), { ...options, unlock, sharing });
  } catch (error) {
    unlock();
    throw error;
  }
}

function placeCheckOf(db: Db, { elapsed = () => performance.now() }: SessionStoreOptions) {
  return db.memory ? undefined : createPlaceCheck(db.name, elapsed);
}

/** The store on a database that `openDatabase` has opened; closing the store closes it. */
export function createSessionStore(db: Db, options: SessionStoreOptions = {}): SessionStore {
  const { now = Date.now, newId = randomUUID, maxBytesPerUser = () => 0, sharing } = options;
  const sessions = createSessionTable(db);
  const transcript = createTranscriptTable(db);
  const runs = createRunTable(db);
  const tables: Tables = { sessions, transcript, runs };
  const copies = createCopyTable(db);
  const search = createSearch(db, tables, { ...(options.elapsed && { elapsed: options.elapsed }) });
  const sync = db.memory ? undefined : (options.logSync ?? createLogSync(db));
  const writes = createGroupCommit(db, {
    sync,
    isInPlace: options.isInPlace ?? placeCheckOf(db, options),
    ...(options.elapsed && { now: options.elapsed }),
    ...(options.onHealth && { onHealth: options.onHealth }),
    ...(options.probeMs !== undefined && { probeMs: options.probeMs }),
    ...(sharing && { patienceMs: PATIENCE_MS }),
    onCommit: () => checkpointer.committed(),
  });
  const checkpointer = checkpointerFor(db, options);
  const forks = createOneByOne();
  let closed: Promise<void> | undefined;

  function reread(row: SessionRow): SessionRecord {
    const current = sessions.read(row.id);
    if (!current) throw new Error('A session vanished inside a transaction.');
    return toSession(current);
  }

  async function end(): Promise<void> {
    writes.close();
    sync?.close();
    const thread = checkpointer.close();
    if (thread) await thread;
    try {
      closeDatabase(db, sharing?.role === 'worker');
    } finally {
      options.unlock?.();
    }
  }

  return {
    describe: guarded((principal, key) => {
      const row = sessions.find(principal, key);
      return row && toSession(row);
    }),

    brief: guarded((principal, key) => {
      const { model = null, bytes = 0 } = sessions.brief(principal, key) ?? {};
      return { bytes, ...(model !== null && { model }) };
    }),

    list: guarded((principal, query) => {
      const { rows, total } = sessions.list(principal, query);
      return { sessions: rows.map(toSession), total };
    }),

    history: guarded((principal, key, query) => {
      const row = sessions.find(principal, key);
      return row && historyPage(tables, row, query);
    }),

    message: guarded((principal, key, id) => {
      const session = sessions.find(principal, key);
      const row = session && findMessage(transcript, session, id);
      return row && toMessage(row);
    }),

    offsetOf: guarded((principal, key, id) => {
      const session = sessions.find(principal, key);
      const row = session && findMessage(transcript, session, id);
      if (!row || !transcript.onPath(session.id, session, row)) return undefined;
      return session.depth - row.depth;
    }),

    attachment: guarded((principal, key, messageSeq, index) => {
      const session = sessions.find(principal, key);
      return session && transcript.attachment(session.id, messageSeq, index);
    }),

    ancestors: guardedWalk(function* (principal, key, beforeSeq) {
      const start = sessions.locate(principal, key, beforeSeq);
      if (!start) return;
      const { session, bytes } = start;
      const parent = { ...start, depth: start.depth - 1 };
      const isThere = () => sessions.own(principal, session) !== undefined;
      for (const row of transcript.walk(session, parent, bytes, isThere)) yield toSpoken(row);
    }),

    run: guarded((principal, key, runId) => {
      const row = runs.find(principal, key, runId);
      return row && toRun(row);
    }),

    durableRun: (principal, key, runId) =>
      writes.submit(() => {
        const row = runs.find(principal, key, runId);
        return row && toRun(row);
      }),

    async search(principal, query) {
      try {
        return await search.run(principal, query);
      } catch (error) {
        if (!closed) throw unreadable(error);
        throw new StoreUnavailableError('The session store is closed.', { cause: error });
      }
    },

    create: (principal, session) =>
      writes.submit(() => {
        const existing = sessions.find(principal, session.key);
        if (existing) return { outcome: 'existing', session: toSession(existing) };
        if (!hasRoom(tables, principal.userId, maxBytesPerUser())) {
          return { outcome: 'refused', reason: 'storage_full' };
        }
        const row = createSession(tables, principal, { ...session, sessionId: newId() });
        if (!row) return { outcome: 'refused', reason: 'not_found' };
        return { outcome: 'created', session: toSession(row) };
      }),

    acceptTurn: (principal, key, turn) =>
      writes.submit(() => acceptTurn(tables, principal, key, turn, newId, maxBytesPerUser())),

    inject: (principal, key, note) =>
      writes.submit(() => {
        const row = sessions.find(principal, key);
        return row && inject(tables, row, note);
      }),

    patch: (principal, key, change, timestamp, expectedSessionId) =>
      writes.submit(() => {
        const row = sessions.find(principal, key);
        if (!row) return undefined;
        if (!isExpected(row, expectedSessionId)) return 'stale_session';
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

    branches: guarded((principal, key) => {
      const row = sessions.find(principal, key);
      return row && listBranches(tables, row);
    }),

    rewind: (principal, key, id) =>
      writes.submit(() => {
        const row = sessions.find(principal, key);
        return row ? rewind(tables, row, id) : refused('not_found');
      }),

    switchBranch: (principal, key, leafId) =>
      writes.submit(() => {
        const row = sessions.find(principal, key);
        return row ? switchBranch(tables, row, leafId) : refused('not_found');
      }),

    // A copy that is being made counts as nobody's: many at once would hold far more than their user may.
    fork: (principal, key, id, to) =>
      forks(principal.userId, () =>
        fork(tables, copies, writes, {
          principal,
          key,
          messageId: id,
          to,
          newId,
          owner: sharing?.owner ?? 0,
          maxBytes: maxBytesPerUser(),
        }),
      ),

    async delete(principal, key, expectedSessionId) {
      const removed = await writes.submit(() => {
        const row = sessions.find(principal, key);
        if (!row) return 'not_found';
        if (!isExpected(row, expectedSessionId)) return 'stale_session';
        return { id: row.id, isLeft: removeSession(tables, row) };
      });
      if (typeof removed === 'string') return removed;
      if (removed.isLeft) void purge(tables, copies, writes, [removed.id]);
      return 'deleted';
    },

    startRun: (principal, key, runId) =>
      writes.submit(() => {
        const row = sessions.find(principal, key);
        return row !== undefined && runs.start(row.id, runId, now());
      }),

    checkpoint: (principal, key, runId, text) =>
      writes.submitBulk(() => {
        if (text !== '') runs.addChunk(principal, key, runId, text);
      }),

    finishRun: (principal, key, runId, answer) =>
      writes.submitBulk(() => {
        const run = runs.find(principal, key, runId);
        return run && endRun(tables, run, answer);
      }),

    async recover(timestamp, inheritance) {
      const isMeant = (principal: Principal) => inheritance?.has(principal) ?? true;
      const recovery = await writes.submit(() => recover(tables, timestamp, isMeant));
      // Copies that other processes are making are nobody's too, and must stay.
      const left = inheritance
        ? inheritance.owners.flatMap((owner) => sessions.buried(owner))
        : sessions.buried();
      void purge(tables, copies, writes, [...new Set(left)]);
      return recovery;
    },

    deleteUser: (userId) => removeUser(db, tables, copies, writes, userId),

    retire: (rules, onSession) => retire(db, tables, copies, writes, rules, onSession),

    recovery: writes.recovery,

    close() {
      closed ??= end();
      return closed;
    },
  };
}

function checkpointerFor(db: Db, options: SessionStoreOptions) {
  const { sharing, checkpointMs } = options;
  if (db.memory) return NO_CHECKPOINTER;
  if (sharing?.role === 'worker') return leaveCheckpoints(db);
  const health = createCheckpointHealth({
    now: options.elapsed,
    onTrouble: options.onCheckpointTrouble,
  });
  if (sharing) return createSharedCheckpointer(db, health, checkpointMs);
  return createCheckpointer(db, health, checkpointMs);
}

/** Whether the session is still the one that a caller means who knows its id. */
function isExpected(row: SessionRow, expectedSessionId: string | undefined): boolean {
  return expectedSessionId === undefined || expectedSessionId === row.session_id;
}

function historyPage(tables: Tables, row: SessionRow, query: HistoryQuery): HistoryPage {
  const { transcript, runs } = tables;
  const newest = { branch: row.branch, depth: row.depth - query.offset };
  const { maxBytes = Number.POSITIVE_INFINITY } = query;
  const { rows, bytes } = transcript.newest(row.id, newest, query.limit, maxBytes);
  const pending = runs.slots(row.id).filter((slot) => transcript.onPath(row.id, row, slot));
  const oldest = rows.at(-1)?.depth ?? 1;
  const hasMore = oldest > 1;
  return {
    session: toSession(row),
    messages: rows.toReversed().map(toMessage),
    bytes,
    hasMore,
    ...(hasMore && { nextOffset: row.depth - oldest + 1 }),
    totalMessages: row.depth - pending.length,
  };
}
