/**
 * A conversation continued in a new session. The copy is made slice by slice, each in a commit of its
 * own, in a session that is nobody's until it is complete; one that is not completed is removed.
 */

import type { Principal } from '../principal.ts';
import { findEntry, pathFacts, placeBefore, refused } from './branching.ts';
import type { AttachmentPlace, CopyTable } from './copy-table.ts';
import type { GroupCommit } from './group-commit.ts';
import { type SessionRow, toMessage, toSession } from './records.ts';
import { purge } from './removal.ts';
import { inSlices } from './slice.ts';
import type { MessageRecord, Moved, MoveRefusal } from './store.ts';
import type { Place, Stretch } from './transcript-table.ts';
import { hasRoom, type Tables } from './turns.ts';

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
  /** That lead to the leaf. */
  parts: readonly Stretch[];
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
  const { target } = plan;
  try {
    const obstacle = await copyPath(tables, copies, writes, request, plan);
    const moved = obstacle
      ? refused(obstacle)
      : await writes.submit(() => publish(tables, plan, request));
    if (moved.outcome === 'refused') void purge(tables, copies, writes, [target]);
    return moved;
  } catch (error) {
    void purge(tables, copies, writes, [target]);
    throw error;
  }
}

/** Why the copy was not completed; nothing if it was. */
async function copyPath(
  tables: Tables,
  copies: CopyTable,
  writes: GroupCommit,
  request: ForkRequest,
  plan: Plan,
): Promise<MoveRefusal | undefined> {
  const inCommit = <T>(slice: () => T) =>
    writes.submit(() => whyNot(tables, plan, request) ?? slice());
  for (const part of plan.parts) {
    let { from } = part;
    while (from <= part.to) {
      const slice = await inCommit(() => copyMessages(tables, copies, plan, { ...part, from }));
      if (typeof slice === 'string') return slice;
      for (const files of inSlices(slice.files)) {
        const refusal = await inCommit(() => copyFiles(tables, copies, plan, files));
        if (refusal) return refusal;
      }
      from = slice.next;
    }
  }
  return undefined;
}

/** Asked again in each commit: meanwhile the session may be deleted, or the user's room be used up. */
function whyNot(
  tables: Tables,
  { source, target }: Plan,
  { principal, key, maxBytes }: ForkRequest,
): MoveRefusal | undefined {
  if (tables.sessions.find(principal, key)?.id !== source) return 'not_found';
  const bytes = tables.sessions.read(target)?.bytes ?? 0;
  return hasRoom(tables, principal.userId, maxBytes, bytes) ? undefined : 'storage_full';
}

/** Where to go on, and what belongs to the messages that were copied. */
function copyMessages(
  { sessions }: Tables,
  copies: CopyTable,
  { source, target }: Plan,
  stretch: Stretch,
): { next: number; files: AttachmentPlace[] } {
  const { part, bytes } = copies.copySome(source, stretch, target);
  sessions.grow(target, bytes);
  return { next: part.to + 1, files: copies.attachmentsOf(source, part) };
}

function copyFiles(
  { sessions }: Tables,
  copies: CopyTable,
  { source, target }: Plan,
  files: readonly AttachmentPlace[],
): void {
  for (const file of files) copies.copyAttachment(source, file, target);
  sessions.grow(
    target,
    files.reduce((sum, { bytes }) => sum + bytes, 0),
  );
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
  const isUser = entry.role === 'user';
  const leaf = isUser ? placeBefore(tables, session.id, entry) : entry;
  if (!hasRoom(tables, principal.userId, request.maxBytes, knownBytes(session, leaf))) {
    return 'storage_full';
  }
  const pending = runs.slots(session.id);
  if (pending.some((slot) => transcript.onPath(session.id, leaf, slot))) return 'busy';
  return {
    source: session.id,
    target: hiddenSession(tables, session, request, newId()),
    leaf: { branch: leaf.branch, depth: leaf.depth },
    parts: [...transcript.path(session.id, leaf)],
    message: isUser ? toMessage(entry) : undefined,
  };
}

/** What the copy will hold, where that is known before it is made: all that the session holds. */
function knownBytes({ next_seq: nextSeq, bytes }: SessionRow, leaf: Place): number {
  return leaf.depth === nextSeq - 1 ? bytes : 0;
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

function publish(tables: Tables, plan: Plan, request: ForkRequest): Moved {
  const { target, leaf, message } = plan;
  const { sessions } = tables;
  const { principal, to } = request;
  const obstacle = sessions.find(principal, to.key) ? 'exists' : whyNot(tables, plan, request);
  if (obstacle) return refused(obstacle);
  const end = { branch: 1, depth: leaf.depth };
  sessions.move(target, { ...end, ...pathFacts(tables, target, end) });
  sessions.publish(target, principal, to.key);
  const row = sessions.read(target);
  if (!row) throw new Error('A copy vanished before it was published.');
  return { outcome: 'moved', session: toSession(row), ...(message && { message }) };
}
