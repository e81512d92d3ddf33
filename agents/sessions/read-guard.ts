/** Reads that meet a disk in trouble say so in the store's own words, as writes do. */

import Database from 'better-sqlite3';
import { StoreUnavailableError } from './store.ts';

/** What the file or its disk is to blame for, and no statement of ours: https://www.sqlite.org/rescode.html */
const OF_THE_FILE = /^SQLITE_(?:IOERR|CORRUPT|NOTADB|CANTOPEN|BUSY|FULL|READONLY|PERM)/;

/** The same function, which throws `StoreUnavailableError` where the file cannot be read. */
export function guarded<Args extends unknown[], Result>(
  read: (...args: Args) => Result,
): (...args: Args) => Result {
  return (...args) => {
    try {
      return read(...args);
    } catch (error) {
      throw unreadable(error);
    }
  };
}

/** The same for what is read piece by piece. */
export function guardedWalk<Args extends unknown[], Piece>(
  walk: (...args: Args) => Iterable<Piece>,
): (...args: Args) => Generator<Piece, undefined> {
  return function* (...args) {
    try {
      yield* walk(...args);
    } catch (error) {
      throw unreadable(error);
    }
    return undefined;
  };
}

/** Errors that are not the file's are returned as they are: they are bugs. */
export function unreadable(error: unknown): unknown {
  if (!(error instanceof Database.SqliteError) || !OF_THE_FILE.test(error.code)) return error;
  return new StoreUnavailableError('The session store cannot be read.', { cause: error });
}
