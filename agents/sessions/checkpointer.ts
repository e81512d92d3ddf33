/**
 * Moves the write-ahead log into the database file, in a thread of its own: writing thousands of
 * scattered pages and waiting for the disk takes tens of milliseconds, in which no token would move.
 */

// oxlint-disable unicorn/require-post-message-target-origin -- these are threads, not windows

import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import type { CheckpointHealth } from './checkpoint-health.ts';
import { AUTO_CHECKPOINT_PAGES, type Db } from './database.ts';
import { codeOf, faultOf } from './faults.ts';

export interface Checkpointer {
  /** Something was committed. */
  committed(): void;
  /** Ends the thread, if there is one; then the caller checkpoints for the last time. */
  close(): Promise<void> | undefined;
}

/** Milliseconds from a commit to its checkpoint: what a busy disk is asked for at most. */
const EVERY_MS = 1_000;

/** Pages in the log from which on it is worth starting it anew. */
const RESTART_PAGES = AUTO_CHECKPOINT_PAGES;
const RESTART_BYTES = RESTART_PAGES * 4_096;

/** Pages that a log which is begun anew now and then never reaches. */
const HUGE_PAGES = 16 * RESTART_PAGES;
const HUGE_BYTES = HUGE_PAGES * 4_096;

/** What SQLite says of a checkpoint: pages in the log, and how many of them are in the file now. */
interface Pass {
  busy: number;
  log: number;
  checkpointed: number;
}

/** What the thread says: how its last pass went, or the code of its failure. */
type Reply = Pass | { code: string };

const ALONE = 'the thread that moves it has ended, and commits come to nothing with it';
const LOCKED = 'another program moves or locks it';
const HELD = 'somebody reads the store without a pause: a backup, a shell, another program';

function wordsOf(code: string): string {
  return faultOf(code) ?? (code || 'for a reason unknown');
}

/** What the log takes on the disk. */
function logBytes(db: Db): number {
  return statSync(`${db.name}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}

export function createCheckpointer(
  db: Db,
  health: CheckpointHealth,
  everyMs = EVERY_MS,
): Checkpointer {
  let worker: Worker | undefined;
  let exited: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let watch: NodeJS.Timeout | undefined;
  let dirty = false;
  let waiting = false;
  let ended = false;
  let lastPages = 0;
  db.pragma('wal_autocheckpoint = 0');

  function arm(): void {
    if (ended || waiting || timer || !dirty) return;
    timer = setTimeout(ask, everyMs).unref();
  }

  function ask(): void {
    timer = undefined;
    dirty = false;
    // A short log may wait, and a process that writes little needs no thread.
    if (!worker && logBytes(db) < RESTART_BYTES) return;
    waiting = true;
    worker ??= start();
    worker.postMessage('checkpoint');
  }

  function start(): Worker {
    const workerData = { file: db.name, from: import.meta.url };
    const thread = new Worker(`(${String(inThread)})()`, { eval: true, workerData });
    const { promise, resolve } = Promise.withResolvers<void>();
    exited = promise;
    thread.on('message', heard);
    // The exit follows an error.
    thread.on('error', () => {});
    thread.once('exit', () => {
      if (!ended) giveUp();
      resolve();
    });
    thread.unref();
    return thread;
  }

  function heard(reply: Reply): void {
    waiting = false;
    if (ended) return;
    const trouble = troubleOf(reply);
    if (trouble === undefined) health.succeeded();
    else health.failed(trouble, logBytes(db));
    // What has failed is tried again, and what was told to have failed is looked at until it works.
    if (trouble !== undefined || health.isTroubled()) dirty = true;
    if ('log' in reply && reply.busy === 0 && reply.log >= RESTART_PAGES) finish();
    arm();
  }

  function troubleOf(reply: Reply): string | undefined {
    if ('code' in reply) return wordsOf(reply.code);
    const { busy, log, checkpointed } = reply;
    if (busy !== 0) return LOCKED;
    const isGrowing = log > lastPages;
    lastPages = log;
    // A short log may be held for as long as anybody likes. A long one is, if it is not moved; and also if it is, and
    // is never begun anew.
    const isHeld = log >= RESTART_PAGES && checkpointed < log;
    return isHeld || (log >= HUGE_PAGES && isGrowing) ? HELD : undefined;
  }

  /**
   * The log begins anew only when nothing of it is left, and only in this thread nobody writes meanwhile.
   * It is little: what was committed since the other thread's last look.
   */
  function finish(): void {
    try {
      db.pragma('wal_checkpoint(PASSIVE)');
    } catch {
      dirty = true;
    }
  }

  /** Without the thread, commits checkpoint as they would by themselves. They do not say how that went; the log's size does. */
  function giveUp(): void {
    ended = true;
    watch = setInterval(() => {
      const bytes = logBytes(db);
      if (bytes < HUGE_BYTES) health.succeeded();
      else health.failed(ALONE, bytes);
    }, everyMs).unref();
    db.pragma(`wal_autocheckpoint = ${AUTO_CHECKPOINT_PAGES}`);
  }

  return {
    committed() {
      dirty = true;
      arm();
    },
    close() {
      ended = true;
      clearTimeout(timer);
      clearInterval(watch);
      worker?.ref();
      worker?.postMessage('close');
      return exited;
    },
  };
}

/** Of a database in memory. */
export const NO_CHECKPOINTER: Checkpointer = { committed() {}, close: () => undefined };

/** A worker leaves the log to its supervisor: a commit that moved it would hold up the worker's sockets. */
export function leaveCheckpoints(db: Db): Checkpointer {
  db.pragma('wal_autocheckpoint = 0');
  return NO_CHECKPOINTER;
}

/** Between two tries to begin the log anew in an instant at which nobody writes or reads, in milliseconds, and how many. */
const AGAIN_MS = 5;
const TRIES = 100;

/**
 * The supervisor's, for all processes that write. It serves no socket, so it needs no thread. While the log
 * begins anew nobody can write, so most of it is moved before, beside the writers.
 */
export function createSharedCheckpointer(
  db: Db,
  health: CheckpointHealth,
  everyMs = EVERY_MS,
): Checkpointer {
  let again: NodeJS.Timeout | undefined;
  db.pragma('wal_autocheckpoint = 0');

  const failed = (reason: string) => health.failed(reason, logBytes(db));

  function beginAnew(tries: number): void {
    const standing = db.pragma('busy_timeout', { simple: true });
    again = undefined;
    try {
      // To wait for a reader, a backup say, would keep the writers waiting too.
      db.pragma('busy_timeout = 0');
      if (db.pragma('wal_checkpoint(PASSIVE)', { simple: true }) !== 0) return failed(LOCKED);
      if (db.pragma('wal_checkpoint(TRUNCATE)', { simple: true }) === 0) return health.succeeded();
      if (tries > 1) again = setTimeout(beginAnew, AGAIN_MS, tries - 1).unref();
      else failed(HELD);
    } catch (error) {
      failed(wordsOf(codeOf(error)));
    } finally {
      db.pragma(`busy_timeout = ${String(standing)}`);
    }
  }

  const timer = setInterval(() => {
    // The tries of the last time have come to nothing until now.
    if (again) failed(HELD);
    clearTimeout(again);
    if (logBytes(db) >= RESTART_BYTES) beginAnew(TRIES);
    else health.succeeded();
  }, everyMs).unref();
  return {
    committed() {},
    close() {
      clearInterval(timer);
      clearTimeout(again);
      return undefined;
    },
  };
}

/** Runs in the thread, from its own text: it can use nothing of this module, so that it needs no file. */
function inThread(): void {
  const { parentPort, workerData } = process.getBuiltinModule('node:worker_threads');
  const { createRequire } = process.getBuiltinModule('node:module');
  const Sqlite: typeof Database = createRequire(workerData.from)('better-sqlite3');
  const db = new Sqlite(workerData.file, { fileMustExist: true, timeout: 0 });
  db.pragma('synchronous = FULL');

  const pass = (): Pass => {
    const row = db.prepare<[], Pass>('PRAGMA wal_checkpoint(PASSIVE)').get();
    return row ?? { busy: 1, log: 0, checkpointed: 0 };
  };

  /** Again for as long as much was committed meanwhile: what is left then is soon done. */
  const checkpoint = (): Pass => {
    let last = pass();
    for (let n = 0; n < 4 && last.busy === 0; n += 1) {
      const before = last.log;
      last = pass();
      if (last.log - before < 64) return last;
    }
    return last;
  };

  parentPort?.on('message', (order) => {
    if (order === 'close') {
      db.close();
      parentPort.close();
      return;
    }
    let reply: Reply;
    try {
      reply = checkpoint();
    } catch (error) {
      reply = { code: error instanceof Error && 'code' in error ? String(error.code) : '' };
    }
    parentPort.postMessage(reply);
  });
}
