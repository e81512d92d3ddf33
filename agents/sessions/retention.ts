/**
 * Sessions that nobody has used for long, or that are more than a user is to keep, leave the store. It is read
 * in slices, and each session leaves in a commit of its own, so that nobody waits.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Principal } from '../principal.ts';
import type { CopyTable } from './copy-table.ts';
import type { Db } from './database.ts';
import type { GroupCommit } from './group-commit.ts';
import { purgeAll, removeSession } from './removal.ts';
import type { Tables } from './turns.ts';

export interface RetentionRules {
  /** Sessions that were last updated before this time go (milliseconds since the epoch). */
  updatedBefore?: number;
  /** Of the sessions of one user in one instance, all but the last updated go. */
  maxEntries?: number;
  /** Nothing is removed; `onSession` hears of what would be. */
  dryRun?: boolean;
}

export interface RetiredSession {
  principal: Principal;
  key: string;
}

interface Candidate {
  id: number;
  user_id: string;
  instance_id: string;
  session_key: string;
}

/** Sessions that are looked at in one turn of the event loop. */
const SLICE = 200;

// What a user pinned stays, and what is being answered.
const MAY_GO = `pinned_at IS NULL AND NOT EXISTS
  (SELECT 1 FROM runs r INDEXED BY runs_active
    WHERE r.session = sessions.id AND r.state IN ('queued', 'running'))`;

/** Applies the rules once. Resolves with how many sessions went. Rejects if the store takes no writes. */
export async function retire(
  db: Db,
  tables: Tables,
  copies: CopyTable,
  writes: GroupCommit,
  rules: RetentionRules,
  onSession: (session: RetiredSession) => void,
): Promise<number> {
  const find = statements(db);
  let count = 0;

  async function retireOne(candidate: Candidate, still: () => boolean): Promise<void> {
    const { id, user_id: userId, instance_id: instanceId, session_key: key } = candidate;
    const outcome = rules.dryRun
      ? 'gone'
      : await writes.submit(() => {
          // Judged again inside the commit: its user may have come back meanwhile.
          const row = find.mayGo.get(id) !== undefined && still() && tables.sessions.read(id);
          if (!row) return 'stays';
          return removeSession(tables, row) ? 'left' : 'gone';
        });
    if (outcome === 'stays') return;
    count++;
    onSession({ principal: { userId, instanceId }, key });
    if (outcome === 'left') await purgeAll(tables, copies, writes, [id]);
  }

  const { updatedBefore, maxEntries } = rules;
  if (updatedBefore !== undefined) {
    for (let after = 0; ; await nextTurn()) {
      const rows = find.page.all(after, SLICE);
      for (const row of rows) {
        const isIdle = () => (find.updatedAt.get(row.id) ?? updatedBefore) < updatedBefore;
        if (isIdle() && find.mayGo.get(row.id) !== undefined) await retireOne(row, isIdle);
      }
      after = rows.at(-1)?.id ?? after;
      if (rows.length < SLICE) break;
    }
  }
  if (maxEntries !== undefined) {
    let owner = find.nextOwner.get('', '');
    for (; owner; await nextTurn(), owner = find.nextOwner.get(owner.user_id, owner.instance_id)) {
      const rows = find.beyond.all(owner.user_id, owner.instance_id, maxEntries);
      for (const row of rows) {
        await retireOne(row, () => find.newer.get({ id: row.id, maxEntries }) === maxEntries);
      }
    }
  }
  return count;
}

function statements(db: Db) {
  return {
    page: db.prepare<[number, number], Candidate>(
      `SELECT id, user_id, instance_id, session_key FROM sessions
       WHERE id > ? AND user_id <> '' ORDER BY id LIMIT +?`,
    ),
    updatedAt: db.prepare<[number], number>('SELECT updated_at FROM sessions WHERE id = ?').pluck(),
    mayGo: db.prepare<[number], { id: number }>(
      `SELECT id FROM sessions WHERE id = +? AND user_id <> '' AND ${MAY_GO}`,
    ),
    // Goes from one owner to the next by the index, whatever they have.
    nextOwner: db.prepare<[string, string], Pick<Candidate, 'user_id' | 'instance_id'>>(
      `SELECT user_id, instance_id FROM sessions INDEXED BY sessions_by_update
       WHERE (user_id, instance_id) > (?, ?) ORDER BY user_id, instance_id LIMIT 1`,
    ),
    beyond: db.prepare<[string, string, number], Candidate>(
      `SELECT id, user_id, instance_id, session_key FROM sessions WHERE id IN
         (SELECT id FROM sessions INDEXED BY sessions_by_update
           WHERE user_id = +? AND instance_id = +?
           ORDER BY updated_at DESC, id DESC LIMIT ${SLICE} OFFSET +?)
         AND ${MAY_GO}`,
    ),
    // Sessions of the same owner that were updated later; does not count beyond `maxEntries`.
    newer: db
      .prepare<[{ id: number; maxEntries: number }], number>(
        `SELECT count(*) FROM (
           SELECT 1 FROM sessions own CROSS JOIN sessions s INDEXED BY sessions_by_update
             ON s.user_id = own.user_id AND s.instance_id = own.instance_id
             AND (s.updated_at, s.id) > (own.updated_at, own.id)
           WHERE own.id = +@id LIMIT +@maxEntries)`,
      )
      .pluck(),
  };
}
