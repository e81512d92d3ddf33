/**
 * Removing a session. It is nobody's at once; what it holds leaves the file in slices, each in a commit
 * of its own, so that nobody waits for a long conversation to be gone. What a stop interrupts goes on
 * at the next start.
 */

import type { CopyTable } from './copy-table.ts';
import type { GroupCommit } from './group-commit.ts';
import type { SessionRow } from './records.ts';
import { SLICE } from './slice.ts';
import type { Tables } from './turns.ts';

/** Inside a transaction. True if something is left that `purge` has to remove. */
export function removeSession(tables: Tables, row: SessionRow): boolean {
  const isSmall = row.next_seq <= SLICE.rows && row.bytes <= SLICE.bytes;
  if (isSmall) {
    tables.sessions.remove(row.id);
    return false;
  }
  tables.runs.endAll(row.id);
  tables.sessions.bury(row.id);
  return true;
}

/** Removes sessions that are nobody's. Never rejects: what is left waits for the next start. */
export async function purge(
  tables: Tables,
  copies: CopyTable,
  writes: GroupCommit,
  ids: readonly number[],
): Promise<void> {
  try {
    await purgeAll(tables, copies, writes, ids);
  } catch {
    // The store is closing, or takes no writes: nobody waits for this.
  }
}

/** The same for those who wait for it: rejects if the store takes no writes. */
export async function purgeAll(
  tables: Tables,
  copies: CopyTable,
  writes: GroupCommit,
  ids: readonly number[],
): Promise<void> {
  for (const id of ids) await purgeOne(tables, copies, writes, id);
}

async function purgeOne(
  { sessions, runs }: Tables,
  copies: CopyTable,
  writes: GroupCommit,
  id: number,
): Promise<void> {
  // Each slice is chosen by the commit that removes it: others may remove the same session meanwhile.
  while (await writes.submit(() => copies.removeSome(id)));
  while ((await writes.submit(() => runs.removeSome(id, SLICE.rows))) > 0);
  await writes.submit(() => sessions.remove(id));
}
