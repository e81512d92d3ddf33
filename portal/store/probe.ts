/** Whether the file takes writes: a disk that is full is still read, and nobody could sign in. */

import { statSync } from 'node:fs';
import type { Db } from './database.ts';

/** Milliseconds that an outcome stands: whoever asks more often costs nothing. */
const STANDS_MS = 1_000;

/** `db` is a connection of its own, whose wait for a lock is short: it holds everybody up. `now` in milliseconds. */
export function createProbe(db: Db): (now: number) => boolean {
  const opened = identityOf(db.name);
  let at = Number.NEGATIVE_INFINITY;
  let isWritable = false;

  return (now) => {
    if (Math.abs(now - at) < STANDS_MS) return isWritable;
    at = now;
    try {
      // Into files that were moved or removed it would write as well.
      if (identityOf(db.name) !== opened) return (isWritable = false);
      // Writes the first page as it is.
      db.pragma(`user_version = ${String(db.pragma('user_version', { simple: true }))}`);
      isWritable = true;
    } catch {
      isWritable = false;
    }
    return isWritable;
  };
}

function identityOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}
