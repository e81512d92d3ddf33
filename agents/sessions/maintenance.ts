/**
 * What an operator does to the file of a store: check it, copy it while it is served, put a copy in
 * its place, make it smaller. Nothing here needs a running gateway, and checking and copying disturb
 * none: a reader does not hold up the writer of a write-ahead log.
 */

import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { closeDatabase, openDatabase, refuseForeign } from './database.ts';
import { codeOf } from './faults.ts';
import { giveTo, ownerOf } from './file-owner.ts';
import { lockStore } from './lock.ts';
import { openFailure } from './open-failure.ts';
import { StoreFileError } from './store.ts';

export interface StoreReport {
  /** What SQLite found wrong, at most a hundred lines; empty if the file is whole. */
  readonly problems: readonly string[];
  readonly users: number;
  readonly sessions: number;
  readonly messages: number;
  /** Bytes of the database file, without its log. */
  readonly bytes: number;
}

/** The files that make up a store; the log's come and go. */
const PARTS = ['', '-wal', '-shm'] as const;

/** Pages that a backup copies before it lets others go on: 4 MiB, a few milliseconds. */
const BACKUP_STEP_PAGES = 1_024;

/**
 * Reads every page and index, and every reference between rows.
 *
 * @throws {StoreFileError} if there is no such file, or it is not a session store.
 */
export function checkStore(path: string): StoreReport {
  return withReader(path, (db) => {
    const integrity = db.prepare<[], string>('PRAGMA integrity_check(100)').pluck().all();
    const orphans = db.prepare<[], { table: string }>('PRAGMA foreign_key_check').all();
    const problems = [
      ...integrity.filter((line) => line !== 'ok'),
      ...orphans
        .slice(0, 100)
        .map(({ table }) => `a row of ${table} refers to one that is missing`),
    ];
    const count = (what: string) => db.prepare<[], number>(`SELECT ${what}`).pluck().get() ?? 0;
    return {
      problems,
      users: count(`count(*) FROM (SELECT DISTINCT user_id FROM sessions WHERE user_id <> '')`),
      sessions: count(`count(*) FROM sessions WHERE user_id <> ''`),
      messages: count('count(*) FROM messages'),
      bytes: statSync(path).size,
    };
  });
}

/**
 * Copies the store as it is at the end of the copying, served or not, to a file that must not exist yet. The copy
 * appears under its name only when it is whole and on the disk.
 *
 * @throws {StoreFileError} as `checkStore`, and if the copy cannot be made.
 */
export async function backupStore(path: string, to: string): Promise<StoreReport> {
  if (existsSync(to)) {
    throw unusable(
      to,
      'The backup was not made: this file exists already. Name another one, or move this one away.',
    );
  }
  const unfinished = `${to}.unfinished`;
  const source = openReader(path);
  try {
    rmSync(unfinished, { force: true });
    // Private before there is anything in it.
    closeSync(openSync(unfinished, 'wx', 0o600));
    await source.backup(unfinished, { progress: () => BACKUP_STEP_PAGES });
    const report = checkStore(unfinished);
    if (report.problems.length === 0) settle(unfinished, to);
    return report;
  } catch (error) {
    if (error instanceof StoreFileError) throw error;
    const cure =
      'Name a file in a folder that is there and that you may write, on a disk with room.';
    throw failed(to, 'The backup could not be written', cure, error);
  } finally {
    source.close();
    for (const part of PARTS) rmSync(unfinished + part, { force: true });
  }
}

/**
 * Puts a copy of `from` in the store's place, with the owner and the mode of what stood there (else the folder's
 * owner, and 0600): whoever ran the gateway still can. What stood there is kept beside it, under a name that
 * ends in `.replaced-<time>`, and nothing is touched unless `from` is whole.
 *
 * @returns where the replaced file is, if there was one.
 * @throws {StoreFileError} `in_use` while a gateway serves the store.
 */
export function restoreStore(from: string, path: string, time: Date): string | undefined {
  const unlock = lockStore(path);
  try {
    requireBackup(from);
    const incoming = `${path}.incoming`;
    copyFileSync(from, incoming);
    giveTo(ownerOf(path), incoming);
    chmodSync(incoming, modeOf(path));
    const replaced = setAside(path, `${path}.replaced-${time.toISOString().replaceAll(':', '-')}`);
    settle(incoming, path);
    return replaced;
  } catch (error) {
    if (error instanceof StoreFileError) throw error;
    const cure = 'See that its folder is yours or that you are root, and that its disk has room.';
    throw failed(path, 'The backup could not be put in place', cure, error);
  } finally {
    unlock();
  }
}

/** @throws {StoreFileError} about this file, whatever is wrong with it: the store's own is not meant. */
function requireBackup(from: string): void {
  if (!existsSync(from)) throw unusable(from, `There is no such file. ${TAKE_A_BACKUP}`);
  if (!statSync(from).isFile()) throw unusable(from, `This is no file. ${TAKE_A_BACKUP}`);
  try {
    if (checkStore(from).problems.length === 0) return;
  } catch (error) {
    if (!(error instanceof StoreFileError) || error.reason === 'newer') throw error;
    throw failed(from, 'No backup can be read from this file', TAKE_A_BACKUP, error.cause);
  }
  throw unusable(from, 'This backup is damaged. Take an earlier one.');
}

const TAKE_A_BACKUP = 'Name one that "oc-gateway db backup" has made.';

/**
 * Writes the file anew without the room that deleted rows left.
 *
 * @throws {StoreFileError} `in_use` while a gateway serves the store.
 */
export function vacuumStore(path: string): { before: number; after: number } {
  // Opening would make a missing file, which is not what was asked.
  const before = checkStore(path).bytes;
  const unlock = lockStore(path);
  try {
    const db = openDatabase(path);
    try {
      db.exec('VACUUM');
    } finally {
      closeDatabase(db);
    }
    return { before, after: statSync(path).size };
  } catch (error) {
    if (error instanceof StoreFileError) throw error;
    const cure = 'It takes room for a second copy of it meanwhile.';
    throw failed(path, 'The store could not be made smaller', cure, error);
  } finally {
    unlock();
  }
}

function withReader<T>(path: string, read: (db: Database.Database) => T): T {
  const db = openReader(path);
  try {
    return read(db);
  } catch (error) {
    if (error instanceof StoreFileError) throw error;
    throw openFailure(path, error);
  } finally {
    db.close();
  }
}

/** Reads beside whoever writes. @throws {StoreFileError} if there is no such store. */
export function openReader(path: string): Database.Database {
  if (!existsSync(path)) {
    throw unusable(
      path,
      'There is no session store at this path. Name its folder in OPENCLAW_STATE_DIR, or its configuration with --config.',
    );
  }
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    refuseForeign(db);
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof StoreFileError) throw error;
    throw openFailure(path, error);
  }
}

const PRIVATE = 0o600;

function modeOf(path: string): number {
  const status = statSync(path, { throwIfNoEntry: false });
  return status ? status.mode & 0o777 : PRIVATE;
}

/** Onto the disk under its name: a crash leaves either the old or the new. */
function settle(from: string, to: string): void {
  sync(from);
  renameSync(from, to);
  sync(dirname(to));
}

function sync(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** A log belongs to its database: they move together, or what it holds would go into another. */
function setAside(path: string, to: string): string | undefined {
  if (!existsSync(path)) return undefined;
  for (const part of PARTS) {
    if (existsSync(path + part)) renameSync(path + part, to + part);
  }
  return to;
}

function unusable(path: string, sentence: string): StoreFileError {
  return new StoreFileError('unusable', path, sentence);
}

function failed(path: string, what: string, cure: string, cause: unknown): StoreFileError {
  const why = codeOf(cause);
  return new StoreFileError('unusable', path, `${what}${why && ` (${why})`}. ${cure}`, { cause });
}
