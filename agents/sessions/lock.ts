/**
 * One process at a time may own a store: a second one would take the runs of the first for dead. The
 * lock is SQLite's own on a file beside the store, held by a transaction that never ends; the system
 * drops it with its owner, however that dies.
 */

import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { StoreFileError } from './store.ts';

/** Frees the lock. */
export type Unlock = () => void;

/**
 * @param path of the store; the lock's file is `<path>.lock` and holds nothing.
 * @throws {StoreFileError} `in_use` if another process holds it, `unusable` if it cannot be made.
 */
export function lockStore(path: string): Unlock {
  const file = `${path}.lock`;
  let db: Database.Database | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    db = new Database(file, { timeout: 0 });
    chmodSync(file, 0o600);
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    throw refusal(error);
  }
  const held = db;
  return () => held.close();
}

function refusal(cause: unknown): StoreFileError {
  const isHeld = cause instanceof Database.SqliteError && cause.code.startsWith('SQLITE_BUSY');
  if (isHeld) {
    const message =
      'The session store is in use by another gateway process. Stop that one, or give this one ' +
      'its own gateway.storage.path (or OPENCLAW_STATE_DIR).';
    return new StoreFileError('in_use', message, { cause });
  }
  const message =
    'The session store cannot be opened: its folder is missing rights, space or a working disk.';
  return new StoreFileError('unusable', message, { cause });
}
