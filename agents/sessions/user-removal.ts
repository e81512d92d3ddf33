/**
 * Everything that a store holds of one user leaves it, for a person's right to their data. First all of it is
 * nobody's, in a few commits; then it leaves the file in slices, so that others write in between.
 */

import type { CopyTable } from './copy-table.ts';
import type { Db } from './database.ts';
import type { GroupCommit } from './group-commit.ts';
import type { SessionRow } from './records.ts';
import { purgeAll, removeSession } from './removal.ts';
import { fitting, SLICE } from './slice.ts';
import type { Tables } from './turns.ts';

/** What was removed. */
export interface Removed {
  sessions: number;
  messages: number;
}

/** Sessions that one commit looks at. */
const SESSIONS = 50;

/** Resolves when nothing of it is left in the tables. Rejects if the store takes no writes. */
export async function removeUser(
  db: Db,
  tables: Tables,
  copies: CopyTable,
  writes: GroupCommit,
  userId: string,
): Promise<Removed> {
  const some = db
    .prepare<[string, number], number>('SELECT id FROM sessions WHERE user_id = ? LIMIT +?')
    .pluck();
  const removed: Removed = { sessions: 0, messages: 0 };
  // Sessions of nobody stand under the empty name, and are not a user's.
  if (userId === '') return removed;
  const left: number[] = [];
  for (;;) {
    const slice = await writes.submit(() => {
      const rows = some.all(userId, SESSIONS).map((id) => tables.sessions.read(id));
      return first(rows.filter((row) => row !== undefined)).map((row) => {
        const isLeft = removeSession(tables, row);
        return { id: row.id, messages: row.next_seq - 1, isLeft };
      });
    });
    if (slice.length === 0) break;
    removed.sessions += slice.length;
    for (const { id, messages, isLeft } of slice) {
      removed.messages += messages;
      if (isLeft) left.push(id);
    }
  }
  await purgeAll(tables, copies, writes, left);
  return removed;
}

/** Those that hold no more together than one commit removes; one at least. */
function first(rows: readonly SessionRow[]): SessionRow[] {
  const ofBytes = fitting(
    rows.map(({ bytes }) => bytes),
    SLICE.bytes,
    true,
  );
  const ofMessages = fitting(
    rows.map((row) => row.next_seq - 1),
    SLICE.rows,
    true,
  );
  return rows.slice(0, Math.min(ofBytes.count, ofMessages.count));
}
