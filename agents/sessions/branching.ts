/**
 * Moving the leaf over what was said: back before a message, or to the end of another branch. Nothing
 * is ever removed by it. Each function runs inside one transaction.
 */

import { type MessageRow, messageId, type SessionRow, toMessage, toSession } from './records.ts';
import type { Branch, Moved, MoveRefusal } from './store.ts';
import { deriveTitle } from './title.ts';
import type { Place } from './transcript-table.ts';
import { findMessage, type Tables } from './turns.ts';

/** Branches that a listing holds: a page shows a handful. */
const MAX_BRANCHES = 100;

export const refused = (reason: MoveRefusal): Moved => ({ outcome: 'refused', reason });

/** The message of the conversation since the last reset that the id names, on whatever branch. */
export function findEntry(tables: Tables, session: SessionRow, id: string): MessageRow | undefined {
  const row = findMessage(tables.transcript, session, id);
  return row?.session_id === session.session_id ? row : undefined;
}

export function rewind(tables: Tables, session: SessionRow, id: string): Moved {
  const { transcript, runs } = tables;
  const entry = findEntry(tables, session, id);
  if (!entry) return refused('no_message');
  if (entry.role !== 'user') return refused('not_user');
  // The leaf of a run must stay where its answer will stand.
  if (runs.slots(session.id).length > 0) return refused('busy');
  if (!transcript.onPath(session.id, session, entry)) return refused('stale_leaf');
  const moved = moveLeaf(tables, session, placeBefore(tables, session.id, entry));
  return { outcome: 'moved', session: moved, message: toMessage(entry) };
}

export function switchBranch(tables: Tables, session: SessionRow, leafId: string): Moved {
  const { transcript, runs } = tables;
  const entry = findEntry(tables, session, leafId);
  if (!entry) return refused('no_message');
  if (runs.slots(session.id).length > 0) return refused('busy');
  const next = { branch: entry.branch, depth: entry.depth + 1 };
  // It has grown since the client listed it: to go there would cut off what it has not seen.
  if (transcript.at(session.id, next)) return refused('stale_leaf');
  return { outcome: 'moved', session: moveLeaf(tables, session, entry) };
}

/** The leaf that a message was written after. */
export function placeBefore({ transcript }: Tables, session: number, entry: Place): Place {
  return transcript.home(session, { branch: entry.branch, depth: entry.depth - 1 });
}

/** What a session derives from its path: tokens in the context, and the title. */
export function pathFacts(
  { transcript }: Tables,
  session: number,
  leaf: Place,
): { contextTokens: number; title: string | undefined } {
  const end = leaf.depth > 0 ? transcript.at(session, leaf) : undefined;
  const { input = 0, cacheRead = 0, cacheWrite = 0 } = (end && toMessage(end).usage) ?? {};
  const first = transcript.home(session, { branch: leaf.branch, depth: Math.min(leaf.depth, 1) });
  const title = deriveTitle(transcript.lastAsked(session, first));
  return { contextTokens: input + cacheRead + cacheWrite, title };
}

function moveLeaf(tables: Tables, session: SessionRow, { branch, depth }: Place) {
  const { sessions } = tables;
  sessions.move(session.id, {
    branch,
    depth,
    ...pathFacts(tables, session.id, { branch, depth }),
  });
  const moved = sessions.read(session.id);
  if (!moved) throw new Error('A session vanished inside a transaction.');
  return toSession(moved);
}

export function listBranches({ transcript }: Tables, session: SessionRow): Branch[] {
  return transcript.tips(session.id, session.session_id, MAX_BRANCHES).map((tip) => ({
    leafId: messageId(session.session_id, tip.seq),
    headline: deriveTitle(transcript.lastAsked(session.id, tip)) ?? '',
    messageCount: tip.depth,
    updatedAt: tip.timestamp,
    active: tip.branch === session.branch && tip.depth === session.depth,
  }));
}
