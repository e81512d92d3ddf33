/** Opens the file: private, ours, of a version that we know, with the settings that we rely on. */

import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { makeFolder } from '../../deploy/files/folder.ts';
import { APPLICATION_ID, migrate, migrations } from './migrations.ts';
import { openFailure } from './open-failure.ts';
import { StoreFileError } from './store.ts';

/**
 * A note for all who prepare statements: in a join, behind LIMIT, and wherever else a plan is weighed, parameters
 * are written `+?` or `+@name`. This build of SQLite has STAT4, with which it plans a
 * statement anew after each binding if the value might matter; that takes ten times as long as the
 * lookup itself. Behind a unary plus the value is not looked at, and indexes serve as before.
 */
export type Db = Database.Database;

/** A path that keeps everything in memory, for tests and demonstrations. */
export const IN_MEMORY = ':memory:';

/**
 * How long a write waits for a lock that another process holds (a backup, a shell), in
 * milliseconds. The wait blocks the event loop, so it is short: then the write fails, and its client may try again.
 */
const BUSY_TIMEOUT_MS = 30;

/** Page cache in KiB. The kernel caches the file too; this only saves system calls. */
const CACHE_KIB = 4_096;

/** Pages in the write-ahead log at which a commit also checkpoints (SQLite's own default), if nobody else does. */
export const AUTO_CHECKPOINT_PAGES = 1_000;

/** After a checkpoint the log is cut back to this many bytes. */
const JOURNAL_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * Opens or makes the database at `path` (or `:memory:`) and migrates it. A new file has mode 0600
 * and a new folder 0700; an existing file that others may read is made private.
 *
 * @throws {StoreFileError} if the file is another program's, newer than this one, or unusable.
 */
export function openDatabase(path: string): Db {
  let db: Db | undefined;
  try {
    const file = path === IN_MEMORY ? path : makeFile(resolve(path));
    db = connect(file);
    // Before any setting: a file that is not ours must not be changed.
    refuseForeign(db);
    if (!db.memory && isOpenToOthers(file)) {
      // SQLite gives the log files the mode of the database, so it has to be right before they are made.
      db.close();
      chmodSync(file, 0o600);
      db = connect(file);
    }
    configure(db);
    migrate(db);
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof StoreFileError) throw error;
    throw openFailure(path, error);
  }
}

function connect(file: string): Db {
  return new Database(file, { timeout: BUSY_TIMEOUT_MS });
}

function makeFile(path: string): string {
  makeFolder(dirname(path), 0o700);
  closeSync(openSync(path, 'a', 0o600));
  return path;
}

function isOpenToOthers(path: string): boolean {
  return (statSync(path).mode & 0o077) !== 0;
}

/** @throws {StoreFileError} if the database is of another program, or of a newer release. */
export function refuseForeign(db: Db): void {
  const owner = Number(db.pragma('application_id', { simple: true }));
  const version = Number(db.pragma('user_version', { simple: true }));
  const tables = db.prepare<[], number>('SELECT count(*) FROM sqlite_schema').pluck().get() ?? 0;
  const empty = owner === 0 && version === 0 && tables === 0;
  if (owner !== APPLICATION_ID && !empty) {
    throw new StoreFileError(
      'foreign',
      db.name,
      'The session store cannot be opened: its file is a database of another program.',
    );
  }
  if (version > migrations.length) {
    throw new StoreFileError(
      'newer',
      db.name,
      `The session store cannot be opened: a newer release wrote it (its version is ${version}, ` +
        `this release knows up to ${migrations.length}). Use that release or a newer one.`,
    );
  }
}

function configure(db: Db): void {
  const journal = db.pragma('journal_mode = WAL', { simple: true });
  if (journal !== 'wal' && !db.memory) {
    throw new StoreFileError(
      'unusable',
      db.name,
      'The session store cannot be opened: its file system does not support a write-ahead log.',
    );
  }
  // NORMAL: a commit does not wait for the disk; log-sync.ts does, before anybody hears of it. So an acknowledged
  // message survives a power cut, and the file is whole after one in any case.
  db.pragma('synchronous = NORMAL');
  db.pragma('foreign_keys = ON');
  db.pragma(`cache_size = -${CACHE_KIB}`);
  db.pragma('temp_store = MEMORY');
  db.pragma(`wal_autocheckpoint = ${AUTO_CHECKPOINT_PAGES}`);
  db.pragma(`journal_size_limit = ${JOURNAL_LIMIT_BYTES}`);
}

/** Moves the log into the database file and closes both; `others` still write to it, who will do that. */
export function closeDatabase(db: Db, others = false): void {
  if (others) return void db.close();
  try {
    // Another process that still reads makes this a no-op; the next opening catches up.
    db.pragma('wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
  }
}
