/**
 * One gateway at a time may own a store: a second one would take the runs of the first for dead. The
 * lock is SQLite's own on a file beside the store, held by a transaction that never ends; the system
 * drops it with its owner, however that dies.
 *
 * A gateway of several processes has one owner, the supervisor, and its workers share a second lock. A worker
 * may outlive its supervisor by a moment, so nobody owns the store before the last of them is gone; and
 * a worker that comes late finds that the store is another generation's.
 */

import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { StoreFileError } from './store.ts';

/** Frees the lock. */
export type Unlock = () => void;

/**
 * @param path of the store; the lock's file is `<path>.lock` and holds nothing.
 * @param generation names this ownership to the workers that are going to share the store: a number
 *   below 2³¹ that no earlier one had.
 * @throws {StoreFileError} `in_use` if another process holds it, `workers_left` if it has ended and its workers
 *   have not yet, `unusable` if it cannot be made.
 */
export function lockStore(path: string, generation?: number): Unlock {
  const unlock = hold(`${path}.lock`, 'BEGIN EXCLUSIVE');
  const shared = sharedLock(path);
  if (generation === undefined && !existsSync(shared)) return unlock;
  try {
    const free = hold(shared, 'BEGIN EXCLUSIVE', (db) => {
      if (generation === undefined) return;
      db.pragma(`user_version = ${generation}`);
      db.exec('COMMIT');
    });
    free();
    return unlock;
  } catch (error) {
    unlock();
    throw error instanceof StoreFileError && error.reason === 'in_use' ? workersLeft(error) : error;
  }
}

/**
 * A worker's share of the store.
 *
 * @throws {StoreFileError} `in_use` if the store is of another generation by now.
 */
export function shareStore(path: string, generation: number): Unlock {
  return hold(sharedLock(path), 'BEGIN', (db) => {
    // To read is what takes the lock, for as long as the transaction lasts.
    if (db.pragma('user_version', { simple: true }) !== generation) throw inUse();
  });
}

function sharedLock(path: string): string {
  return `${path}.workers.lock`;
}

function hold(file: string, begin: string, then?: (db: Database.Database) => void): Unlock {
  let db: Database.Database | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    db = new Database(file, { timeout: 0 });
    chmodSync(file, 0o600);
    db.exec(begin);
    then?.(db);
  } catch (error) {
    db?.close();
    throw refusal(error);
  }
  const held = db;
  return () => held.close();
}

function refusal(cause: unknown): StoreFileError {
  if (cause instanceof StoreFileError) return cause;
  const isHeld = cause instanceof Database.SqliteError && cause.code.startsWith('SQLITE_BUSY');
  if (isHeld) return inUse(cause);
  const message =
    'The session store cannot be opened: its folder is missing rights, space or a working disk.';
  return new StoreFileError('unusable', message, { cause });
}

function inUse(cause?: unknown): StoreFileError {
  const message =
    'The session store is in use by another gateway process. Stop that one, or give this one ' +
    'its own gateway.storage.path (or OPENCLAW_STATE_DIR).';
  return new StoreFileError('in_use', message, { cause });
}

function workersLeft(cause: unknown): StoreFileError {
  const message =
    'The session store is still in use by workers of a gateway that has ended. They end by themselves; try again.';
  return new StoreFileError('workers_left', message, { cause });
}
