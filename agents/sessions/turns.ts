/**
 * What a turn does to the tables: it is accepted, started, ended, or found unended after a crash.
 * Each function runs inside one transaction.
 */

import type { Principal } from '../principal.ts';
import { filledMessage, type RunRow, type SessionRow, seqOf, toMessage, toRun } from './records.ts';
import { ownerOf, type RunTable } from './run-table.ts';
import type { SessionTable } from './session-table.ts';
import type {
  AcceptedTurn,
  Answer,
  Attachment,
  ContentBlock,
  MessageRecord,
  NewTurn,
  Recovery,
  Refusal,
  RunRecord,
  RunState,
} from './store.ts';
import { deriveTitle } from './title.ts';
import type { Draft, TranscriptTable } from './transcript-table.ts';

export interface Tables {
  sessions: SessionTable;
  transcript: TranscriptTable;
  runs: RunTable;
}

const RUN_STATES: Readonly<Record<Answer['state'], RunState>> = {
  complete: 'final',
  aborted: 'aborted',
  error: 'error',
  interrupted: 'interrupted',
};

/** A session and the branch that it starts with. Nothing if no session can have this name. */
export function createSession(
  tables: Tables,
  principal: Principal,
  session: Parameters<SessionTable['insert']>[1],
): SessionRow | undefined {
  const row = tables.sessions.insert(principal, session);
  if (row) tables.transcript.startBranch(row.id, row.session_id);
  return row;
}

export function acceptTurn(
  tables: Tables,
  principal: Principal,
  key: string,
  turn: NewTurn,
  newId: () => string,
  maxBytes: number,
): AcceptedTurn {
  const { sessions, runs } = tables;
  const found = sessions.find(principal, key);
  // First of all: a repeated send gets the same answer, whatever has happened to the session since.
  const known = runs.find(principal, key, turn.runId);
  if (known) return { outcome: 'duplicate', run: toRun(known) };
  const reason = staleness(tables, found, turn);
  if (reason) return { outcome: 'refused', reason };
  if (!hasRoom(tables, principal.userId, maxBytes)) {
    return { outcome: 'refused', reason: 'storage_full' };
  }
  const { agentId, timestamp } = turn;
  const row =
    found ?? createSession(tables, principal, { key, sessionId: newId(), agentId, timestamp });
  if (!row) return { outcome: 'refused', reason: 'not_found' };
  return { outcome: 'accepted', run: writeTurn(tables, row, turn), created: !found };
}

/**
 * Whether the user may store more: so many bytes, where that is known. The answers to what was accepted are stored in
 * any case.
 */
export function hasRoom(
  { sessions }: Tables,
  userId: string,
  maxBytes: number,
  bytes = 0,
): boolean {
  return maxBytes === 0 || sessions.storedBytes(userId) + Math.max(bytes, 1) <= maxBytes;
}

/** Bytes that the content takes in its table, and those of what stands apart from it. */
function bytesOf(content: readonly ContentBlock[], attachments: readonly Attachment[] = []) {
  const text = Buffer.byteLength(JSON.stringify(content));
  return attachments.reduce((sum, { bytes }) => sum + bytes.byteLength, text);
}

function staleness(
  { transcript }: Tables,
  session: SessionRow | undefined,
  { expectedSessionId, expectedLeafId }: NewTurn,
): Refusal | undefined {
  if (expectedSessionId !== undefined && session?.session_id !== expectedSessionId) {
    return 'stale_session';
  }
  if (expectedLeafId === undefined) return undefined;
  const leaf = session && findMessage(transcript, session, expectedLeafId);
  return leaf && transcript.onPath(session.id, session, leaf) ? undefined : 'stale_leaf';
}

/** The message of this session that the id names, on whatever branch. */
export function findMessage(transcript: TranscriptTable, session: SessionRow, id: string) {
  const seq = seqOf(id);
  const row = seq === undefined ? undefined : transcript.bySeq(session.id, seq);
  return row && toMessage(row).id === id ? row : undefined;
}

/** The user's message, the slot of its answer, and the run. */
function writeTurn(
  { sessions, transcript, runs }: Tables,
  row: SessionRow,
  turn: NewTurn,
): RunRecord {
  const { runId, agentId, attachments, options, timestamp } = turn;
  const content = userContent(turn);
  const bytes = bytesOf(content, attachments);
  const drafts: Draft[] = [
    { role: 'user', state: 'complete', content, timestamp, runId, attachments },
    { role: 'assistant', state: 'pending', content: [], timestamp, runId },
  ];
  const messageSeq = row.next_seq;
  const leaf = transcript.append(row.id, row, messageSeq, drafts);
  const nextSeq = messageSeq + drafts.length;
  const title = deriveTitle(turn.text);
  const isFirst = row.depth === 0;
  sessions.advance(row.id, { ...leaf, nextSeq, timestamp, bytes, agentId, title, isFirst });
  const run = {
    runId,
    agentId,
    state: turn.start ? ('running' as const) : ('queued' as const),
    options,
    messageSeq,
    answerSeq: messageSeq + 1,
    createdAt: timestamp,
  };
  runs.insert(row.id, run);
  return { ...run, sessionKey: row.session_key, sessionId: row.session_id };
}

function userContent({ text, attachments }: NewTurn): ContentBlock[] {
  const images = attachments.map(
    ({ mimeType, fileName, bytes }, attachment): ContentBlock => ({
      type: 'image',
      mimeType,
      ...(fileName !== undefined && { fileName }),
      sizeBytes: bytes.byteLength,
      attachment,
    }),
  );
  return text === '' ? images : [{ type: 'text', text }, ...images];
}

/** Adds a complete assistant message at the end of the active path. */
export function inject(
  { sessions, transcript }: Tables,
  row: SessionRow,
  note: { text: string; label?: string; timestamp: number },
): MessageRecord | undefined {
  const { text, label, timestamp } = note;
  const content: ContentBlock[] = [{ type: 'text', text }];
  const draft: Draft = { role: 'assistant', state: 'complete', content, timestamp, label };
  const leaf = transcript.append(row.id, row, row.next_seq, [draft]);
  const nextSeq = row.next_seq + 1;
  sessions.advance(row.id, { ...leaf, nextSeq, timestamp, bytes: bytesOf(content) });
  const written = transcript.bySeq(row.id, row.next_seq);
  return written && toMessage(written);
}

/** Fills the slot of a run and ends it. A run that has ended stays as it is. The answer's message. */
export function endRun(
  { sessions, transcript, runs }: Tables,
  run: RunRow,
  answer: Answer,
): MessageRecord | undefined {
  const { session } = run;
  const slot = transcript.bySeq(session, run.answer_seq);
  if (!slot) return undefined;
  if (run.state !== 'queued' && run.state !== 'running') return toMessage(slot);
  const bytes = transcript.fill(slot.id, answer);
  runs.dropChunks(slot.id);
  const { state, timestamp, errorMessage, usage } = answer;
  runs.end(session, run.run_id, { state: RUN_STATES[state], timestamp, errorMessage });
  // After a reset the answer still belongs to what was said before, which no sum counts any more.
  if (run.session_id === run.current_session_id) {
    const counts = state === 'complete' || state === 'error';
    sessions.answered(session, usage, { timestamp, bytes, counts });
  } else {
    sessions.grow(session, bytes);
  }
  return filledMessage(slot, answer);
}

/** A new session id on an empty path. What is queued will not run; what runs fills its old slot. */
export function reset(tables: Tables, row: SessionRow, sessionId: string, timestamp: number): void {
  for (const run of tables.runs.queuedOf(row.id)) {
    endRun(tables, run, { state: 'aborted', content: [], timestamp });
  }
  const branch = tables.transcript.startBranch(row.id, sessionId);
  tables.sessions.restart(row.id, sessionId, branch, timestamp);
}

/** Ends what was under way when the process died, with the text that had been saved by then. */
export function recover(
  tables: Tables,
  timestamp: number,
  isMeant: (principal: Principal) => boolean,
): Recovery {
  const active = tables.runs.active().filter((run) => isMeant(ownerOf(run)));
  const running = active.filter((run) => run.state === 'running');
  for (const run of running) {
    const slot = tables.transcript.bySeq(run.session, run.answer_seq);
    if (!slot) continue;
    const text = tables.runs.streamed(slot.id);
    const content: ContentBlock[] = text === '' ? [] : [{ type: 'text', text }];
    endRun(tables, run, { state: 'interrupted', content, timestamp });
  }
  const queued = active
    .filter((run) => run.state === 'queued')
    .map((run) => ({ principal: ownerOf(run), run: toRun(run) }));
  return { interrupted: running.length, queued };
}
