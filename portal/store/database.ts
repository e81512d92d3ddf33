/** Opens the portal's file: private, ours, of a version that we know, with the settings that we rely on. */

import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { makeFolder } from '../../deploy/files/folder.ts';
import { APPLICATION_ID, migrate, migrations } from './migrations.ts';

export type Db = Database.Database;

/** The database cannot be used; the message says why and names no path. */
export class DatabaseFileError extends Error {}

/** An error of SQLite's in the midst of work, such as a full disk, as one for people; others as they are. */
export function forPeople(error: unknown): unknown {
  return codeOf(error).startsWith('SQLITE_')
    ? new DatabaseFileError(`The portal's database cannot be used: ${reason(error)}`, {
        cause: error,
      })
    : error;
}

/** How long a write waits for another process's, in milliseconds. The wait blocks the event loop. */
const BUSY_TIMEOUT_MS = 2_000;

/**
 * Opens or makes the database at `path` and migrates it. A new file has mode 0600 and a new folder
 * 0700; an existing file that others may read is made private.
 *
 * @throws {DatabaseFileError} if the file is another program's, newer than this release, or unusable.
 */
export function openDatabase(path: string): Db {
  let db: Db | undefined;
  try {
    const isPrivate = makeFile(path);
    db = new Database(path, { timeout: BUSY_TIMEOUT_MS });
    // Before any setting: a file that is not ours must not be changed.
    refuseForeign(db);
    if (!isPrivate) {
      // SQLite gives the log files the mode of the database, so it has to be right before they are made.
      db.close();
      chmodSync(path, 0o600);
      db = new Database(path, { timeout: BUSY_TIMEOUT_MS });
    }
    // FULL: a right that was taken away stays away after a power cut.
    configure(db, 'FULL');
    migrate(db);
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof DatabaseFileError) throw error;
    throw new DatabaseFileError(`The portal's database cannot be opened: ${reason(error)}`, {
      cause: error,
    });
  }
}

/**
 * A second connection to a database that `openDatabase` has opened, whose commits do not wait for
 * the disk. For what is worth nothing after a minute.
 */
export function openHasty(path: string, timeout = BUSY_TIMEOUT_MS): Db {
  const db = new Database(path, { timeout, fileMustExist: true });
  configure(db, 'NORMAL');
  return db;
}

/** What an operator can do something about, by the code of the system's or of SQLite's error. */
function reason(error: unknown): string {
  const code = codeOf(error);
  if (/^(?:EACCES|EPERM|SQLITE_PERM|SQLITE_AUTH)/.test(code)) {
    return 'its file may not be read and written by this user; run as the user whose file it is.';
  }
  if (/^(?:EROFS|SQLITE_READONLY)/.test(code)) return 'its file or its folder is read-only.';
  if (/^(?:ENOSPC|EDQUOT|EIO|SQLITE_FULL|SQLITE_IOERR)/.test(code)) {
    return 'its disk is full or failing; make room, and look at the system log.';
  }
  if (/^SQLITE_(?:BUSY|LOCKED)/.test(code)) {
    return 'another program holds it locked; try again when that is done.';
  }
  if (/^SQLITE_(?:NOTADB|CORRUPT)/.test(code)) {
    return 'its file is damaged or no SQLite database; restore it from a backup.';
  }
  return 'its file is no usable file; check the path in the configuration.';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Whether nobody else may read it. */
function makeFile(path: string): boolean {
  makeFolder(dirname(path), 0o700);
  closeSync(openSync(path, 'a', 0o600));
  const found = statSync(path);
  if (!found.isFile()) {
    throw new DatabaseFileError("The portal's database cannot be opened: it is no ordinary file.");
  }
  return (found.mode & 0o077) === 0;
}

function refuseForeign(db: Db): void {
  const owner = Number(db.pragma('application_id', { simple: true }));
  const version = Number(db.pragma('user_version', { simple: true }));
  const tables = db.prepare<[], number>('SELECT count(*) FROM sqlite_schema').pluck().get() ?? 0;
  const empty = owner === 0 && version === 0 && tables === 0;
  if (owner !== APPLICATION_ID && !empty) {
    throw new DatabaseFileError(
      "The portal's database cannot be opened: its file is a database of another program.",
    );
  }
  if (version > migrations.length) {
    throw new DatabaseFileError(
      `The portal's database cannot be opened: a newer release wrote it (its version is ${version}, ` +
        `this release knows up to ${migrations.length}). Use that release or a newer one.`,
    );
  }
}

function configure(db: Db, synchronous: 'FULL' | 'NORMAL'): void {
  if (db.pragma('journal_mode = WAL', { simple: true }) !== 'wal') {
    throw new DatabaseFileError(
      "The portal's database cannot be opened: its file system does not support a write-ahead log.",
    );
  }
  db.pragma(`synchronous = ${synchronous}`);
  db.pragma('foreign_keys = ON');
  db.pragma('temp_store = MEMORY');
}
