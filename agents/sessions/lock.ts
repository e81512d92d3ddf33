/**
 * One gateway at a time may own a store: a second one would take the runs of the first for dead. The
 * lock is SQLite's own on a file beside the store, held by a transaction that never ends; the system
 * drops it with its owner, however that dies.
 *
 * A gateway of several processes has one owner, the supervisor, and its workers share a second lock. A worker
 * may outlive its supervisor by a moment, so nobody owns the store before the last of them is gone; and
 * a worker that comes late finds that the store is another generation's.
 */

import { chmodSync, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { makeFolder } from '../../deploy/files/folder.ts';
import { codeOf } from './faults.ts';
import { giveTo, ownerOf } from './file-owner.ts';
import { isDamage, openFailure } from './open-failure.ts';
import { StoreFileError } from './store.ts';

/** What the workers' lock has behind the store's path. */
const SHARED = '.workers.lock';

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
  const unlock = hold(path, '.lock', 'BEGIN EXCLUSIVE');
  if (generation === undefined && !existsSync(path + SHARED)) return unlock;
  try {
    const free = hold(path, SHARED, 'BEGIN EXCLUSIVE', (db) => {
      if (generation === undefined) return;
      db.pragma(`user_version = ${generation}`);
      db.exec('COMMIT');
    });
    free();
    return unlock;
  } catch (error) {
    unlock();
    throw isInUse(error) ? workersLeft(path, error) : error;
  }
}

/**
 * A worker's share of the store.
 *
 * @throws {StoreFileError} `in_use` if the store is of another generation by now.
 */
export function shareStore(path: string, generation: number): Unlock {
  return hold(path, SHARED, 'BEGIN', (db) => {
    // To read is what takes the lock, for as long as the transaction lasts.
    if (db.pragma('user_version', { simple: true }) !== generation) throw inUse(path);
  });
}

function hold(
  path: string,
  suffix: string,
  begin: string,
  then?: (db: Database.Database) => void,
): Unlock {
  const file = path + suffix;
  let db: Database.Database | undefined;
  try {
    makeFolder(dirname(file), 0o700);
    db = new Database(file, { timeout: 0 });
    makeTheirs(file, path);
    db.exec(begin);
    then?.(db);
  } catch (error) {
    db?.close();
    throw refusal(path, file, error);
  }
  const held = db;
  return () => held.close();
}

/** A command that root runs must not leave behind what the gateway's user cannot open. */
function makeTheirs(file: string, path: string): void {
  try {
    chmodSync(file, 0o600);
    giveTo(ownerOf(path), file);
  } catch (error) {
    // Of somebody else who lets us write it: it serves as a lock all the same.
    if (codeOf(error) !== 'EPERM') throw error;
  }
}

function refusal(path: string, file: string, cause: unknown): StoreFileError {
  if (cause instanceof StoreFileError) return cause;
  if (codeOf(cause).startsWith('SQLITE_BUSY')) return inUse(path, cause);
  if (!isDamage(cause)) return openFailure(path, cause);
  const sentence = 'This file is only a lock, and damaged. Remove it; nothing is lost.';
  return new StoreFileError('unusable', file, sentence, { cause });
}

function isInUse(error: unknown): boolean {
  return error instanceof StoreFileError && error.reason === 'in_use';
}

function inUse(path: string, cause?: unknown): StoreFileError {
  const sentence =
    'The session store is in use by another gateway process. Stop that one first. If both are meant to serve, ' +
    'each needs a gateway.storage.path (or OPENCLAW_STATE_DIR) of its own.';
  return new StoreFileError('in_use', path, sentence, { cause });
}

function workersLeft(path: string, cause: unknown): StoreFileError {
  const sentence =
    'The session store is still in use by workers of a gateway that has ended. They end by themselves; try again.';
  return new StoreFileError('workers_left', path, sentence, { cause });
}
