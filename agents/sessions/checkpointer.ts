/**
 * Moves the write-ahead log into the database file, in a thread of its own: writing thousands of
 * scattered pages and waiting for the disk takes tens of milliseconds, in which no token would move.
 */

// oxlint-disable unicorn/require-post-message-target-origin -- these are threads, not windows

import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { AUTO_CHECKPOINT_PAGES, type Db } from './database.ts';

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

/** What the thread says: pages in the log, or nothing if it could not checkpoint. */
type Reply = number | undefined;

export function createCheckpointer(db: Db, everyMs = EVERY_MS): Checkpointer {
  let worker: Worker | undefined;
  let exited: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let dirty = false;
  let waiting = false;
  let ended = false;
  db.pragma('wal_autocheckpoint = 0');

  function arm(): void {
    if (ended || waiting || timer || !dirty) return;
    timer = setTimeout(ask, everyMs).unref();
  }

  function ask(): void {
    timer = undefined;
    dirty = false;
    // A short log may wait, and a process that writes little needs no thread.
    if (!worker && logBytes() < RESTART_BYTES) return;
    waiting = true;
    worker ??= start();
    worker.postMessage('checkpoint');
  }

  function logBytes(): number {
    return statSync(`${db.name}-wal`, { throwIfNoEntry: false })?.size ?? 0;
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

  function heard(pages: Reply): void {
    waiting = false;
    if (ended) return;
    if (pages === undefined) dirty = true;
    else if (pages >= RESTART_PAGES) finish();
    arm();
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

  /** Without the thread, commits checkpoint as they would by themselves. */
  function giveUp(): void {
    ended = true;
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
export function createSharedCheckpointer(db: Db, everyMs = EVERY_MS): Checkpointer {
  let again: NodeJS.Timeout | undefined;
  db.pragma('wal_autocheckpoint = 0');

  function beginAnew(tries: number): void {
    const standing = db.pragma('busy_timeout', { simple: true });
    try {
      // To wait for a reader, a backup say, would keep the writers waiting too.
      db.pragma('busy_timeout = 0');
      if (db.pragma('wal_checkpoint(PASSIVE)', { simple: true }) === 0) {
        const isBusy = db.pragma('wal_checkpoint(TRUNCATE)', { simple: true }) !== 0;
        if (isBusy && tries > 1) again = setTimeout(beginAnew, AGAIN_MS, tries - 1).unref();
      }
    } catch {
      // A full disk, say: the commits tell of it, and this is tried again.
    } finally {
      db.pragma(`busy_timeout = ${String(standing)}`);
    }
  }

  const timer = setInterval(() => {
    const bytes = statSync(`${db.name}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    clearTimeout(again);
    if (bytes >= RESTART_BYTES) beginAnew(TRIES);
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

  /** Pages in the log; nothing if another process checkpoints. */
  const pass = (): number | undefined => {
    const rows = db.prepare<[], { busy: number; log: number }>('PRAGMA wal_checkpoint(PASSIVE)');
    const row = rows.get();
    return row && row.busy === 0 ? row.log : undefined;
  };

  /** Again for as long as much was committed meanwhile: what is left then is soon done. */
  const checkpoint = (): number | undefined => {
    let pages = pass();
    for (let n = 0; n < 4 && pages !== undefined; n += 1) {
      const before = pages;
      pages = pass();
      if (pages !== undefined && pages - before < 64) return pages;
    }
    return pages;
  };

  parentPort?.on('message', (order) => {
    if (order === 'close') {
      db.close();
      parentPort.close();
      return;
    }
    let pages: number | undefined;
    try {
      pages = checkpoint();
    } catch {
      // A full disk, say: the commits tell of it, and this is tried again.
    }
    parentPort.postMessage(pages);
  });
}
