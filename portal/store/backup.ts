/** A copy of the portal's database, while it is used. */

import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { DatabaseFileError, type Db } from './database.ts';

/**
 * Copies the database as it is at the end of the copying to a file that must not exist yet. The copy appears under its
 * name only when it is whole and on the disk; nobody else may read it.
 *
 * @throws {DatabaseFileError} if it cannot be made.
 */
export async function backup(db: Db, to: string): Promise<void> {
  if (existsSync(to)) {
    throw new DatabaseFileError(
      'The backup was not made: this file exists already. Name another one, or move this one away.',
    );
  }
  const unfinished = `${to}.unfinished`;
  try {
    rmSync(unfinished, { force: true });
    // Before there is anything in it.
    closeSync(openSync(unfinished, 'wx', 0o600));
    await db.backup(unfinished);
    const file = openSync(unfinished, 'r+');
    fsyncSync(file);
    closeSync(file);
    renameSync(unfinished, to);
  } catch (cause) {
    const sentence =
      'The backup could not be written. Name a file in a folder that is there and that you may write, on a disk with room.';
    throw new DatabaseFileError(sentence, { cause });
  } finally {
    for (const part of ['', '-wal', '-shm', '-journal']) rmSync(unfinished + part, { force: true });
  }
}
