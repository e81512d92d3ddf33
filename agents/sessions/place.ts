/**
 * Whether a database stands where it was opened. Who moves or removes its files leaves SQLite writing into what nobody
 * will ever open again, and it has nothing to complain about.
 */

import { statSync } from 'node:fs';

/** Milliseconds that an outcome stands, so that a commit costs no look at the file. */
const STANDS_MS = 250;

export const ELSEWHERE =
  'The session store cannot save: its files were moved, replaced or removed while they were in use. ' +
  'Put them back; or restart, and what stands there now is served.';

/** @param now in milliseconds; never goes back. */
export function createPlaceCheck(path: string, now: () => number): () => boolean {
  const files = [path, `${path}-wal`];
  // The log may not be there yet.
  const opened = files.map(identityOf);
  let at = Number.NEGATIVE_INFINITY;
  let isInPlace = true;

  return () => {
    if (now() - at < STANDS_MS) return isInPlace;
    at = now();
    isInPlace = files.every((file, index) => {
      const found = identityOf(file);
      opened[index] ??= found;
      return found === opened[index];
    });
    return isInPlace;
  };
}

/** Which file stands there now; nothing if there is none. */
export function identityOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}
