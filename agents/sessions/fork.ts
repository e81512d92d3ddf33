/**
 * A conversation continued in a new session. The copy is made slice by slice, each in a commit of its
 * own, in a session that is nobody's until it is complete; one that is not completed is removed.
 */

import type { Principal } from '../principal.ts';
import { findEntry, pathFacts, placeBefore, refused } from './branching.ts';
import { type CopyTable, inSlices } from './copy-table.ts';
import type { GroupCommit } from './group-commit.ts';
import { type SessionRow, toMessage, toSession } from './records.ts';
import { purge } from './removal.ts';
import type { MessageRecord, Moved, MoveRefusal } from './store.ts';
import type { Place, Stretch } from './transcript-table.ts';
import { hasRoom, type Tables } from './turns.ts';

/** Messages of one slice: a few milliseconds. */
const SLICE = 100;

export interface ForkRequest {
  principal: Principal;
  key: string;
  messageId: string;
  to: { key: string; agentId: string; timestamp: number };
  newId: () => string;
  /** The process that makes the copy. */
  owner: number;
  /** That the user may have stored; 0 is no limit. */
  maxBytes: number;
}

interface Plan {
  source: number;
  target: number;
  leaf: Place;
  message: MessageRecord | undefined;
}

export async function fork(
  tables: Tables,
  copies: CopyTable,
  writes: GroupCommit,
  request: ForkRequest,
): Promise<Moved> {
  const plan = await writes.submit(() => begin(tables, request));
  if (typeof plan === 'string') return refused(plan);
  const { source, target, leaf } = plan;
  // Asked again before each slice: the session may be deleted meanwhile.
  const isThere = () => tables.sessions.find(request.principal, request.key)?.id === source;
  try {
    const parts = [...tables.transcript.path(source, leaf)].flatMap(slices);
    for (const part of parts) {
      const files = await writes.submit(() => {
        if (!isThere()) return undefined;
        copies.copy(source, part, target);
        tables.sessions.grow(target, copies.bytesOf(part, target));
        return copies.attachmentsOf(source, part, target);
      });
      if (!files) break;
      for (const group of inSlices(files)) {
        await writes.submit(() => {
          for (const file of group) copies.copyAttachment(file);
          tables.sessions.grow(
            target,
            group.reduce((sum, { bytes }) => sum + bytes, 0),
          );
        });
      }
    }
    const moved = await writes.submit(() =>
      isThere() ? publish(tables, plan, request) : refused('not_found'),
    );
    if (moved.outcome === 'refused') void purge(tables, copies, writes, [target]);
    return moved;
  } catch (error) {
    void purge(tables, copies, writes, [target]);
    throw error;
  }
}

/** Judges the request and makes the hidden session. */
function begin(tables: Tables, request: ForkRequest): Plan | MoveRefusal {
  const { sessions, transcript, runs } = tables;
  const { principal, key, to, newId } = request;
  const session = sessions.find(principal, key);
  if (!session) return 'not_found';
  const entry = findEntry(tables, session, request.messageId);
  if (!entry || !to.key.isWellFormed()) return 'no_message';
  if (sessions.find(principal, to.key)) return 'exists';
  if (!hasRoom(tables, principal.userId, request.maxBytes)) return 'storage_full';
  const isUser = entry.role === 'user';
  const leaf = isUser ? placeBefore(tables, session.id, entry) : entry;
  const pending = runs.slots(session.id);
  if (pending.some((slot) => transcript.onPath(session.id, leaf, slot))) return 'busy';
  return {
    source: session.id,
    target: hiddenSession(tables, session, request, newId()),
    leaf: { branch: leaf.branch, depth: leaf.depth },
    message: isUser ? toMessage(entry) : undefined,
  };
}

function hiddenSession(
  { sessions, transcript }: Tables,
  { model }: SessionRow,
  { to: { agentId, timestamp }, owner }: ForkRequest,
  sessionId: string,
): number {
  const chosen = model === null ? {} : { model };
  const target = sessions.insertHidden({ sessionId, agentId, timestamp, ...chosen }, owner);
  transcript.startBranch(target, sessionId);
  return target;
}

function publish(tables: Tables, { target, leaf, message }: Plan, request: ForkRequest): Moved {
  const { sessions } = tables;
  const { principal, to } = request;
  if (sessions.find(principal, to.key)) return refused('exists');
  // Asked again: the copy counts from now on, and much may have been stored since it was begun.
  if (!hasRoom(tables, principal.userId, request.maxBytes)) return refused('storage_full');
  const end = { branch: 1, depth: leaf.depth };
  sessions.move(target, { ...end, ...pathFacts(tables, target, end) });
  sessions.publish(target, principal, to.key);
  const row = sessions.read(target);
  if (!row) throw new Error('A copy vanished before it was published.');
  return { outcome: 'moved', session: toSession(row), ...(message && { message }) };
}

function slices({ branch, from, to }: Stretch): Stretch[] {
  const count = Math.ceil((to - from + 1) / SLICE);
  return Array.from({ length: count }, (_, n) => ({
    branch,
    from: from + n * SLICE,
    to: Math.min(to, from + (n + 1) * SLICE - 1),
  }));
}
