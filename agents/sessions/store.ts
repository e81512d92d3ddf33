/**
 * The store's contract. Reads are synchronous and cheap (one indexed query); writes resolve once
 * they are durable, and all writes asked for within one turn of the event loop share one commit.
 *
 * A session is `(userId, instanceId, key)`. Every call takes the principal first; a session of
 * somebody else answers exactly as one that does not exist.
 *
 * A transcript is append-only. Each message stands at a depth (1, 2, 3 …) of a branch; a branch
 * starts after some message of another branch, or at nothing. The session points to its active
 * leaf, so that reset, rewind and branch switches move a pointer and lose nothing. The parent of a
 * message is therefore the one before it on its path, and is not stored.
 *
 * A turn takes two places at once: the user's message and the slot of its answer. The slot is
 * filled when the run ends. So messages that queue behind a running answer already stand in their
 * final order, and nothing is ever inserted between others.
 */

import type { ReasoningEffort, Usage } from '../../providers/contract.ts';
import type { FailureKind } from '../../providers/errors.ts';
import type { Principal } from '../principal.ts';
import type { RetentionRules, RetiredSession } from './retention.ts';
import type { Removed } from './user-removal.ts';

export type { Removed, RetentionRules, RetiredSession };

/** What a message holds, as stored and as sent to clients (OpenClaw's block shapes). */
export type ContentBlock =
  | { type: 'text'; text: string }
  | { type: 'thinking'; thinking: string; signature?: string; api?: string }
  | { type: 'toolCall'; id: string; name: string; arguments: string; signature?: string }
  | { type: 'toolResult'; id: string; name: string; content: string; isError: boolean }
  /** The bytes stand apart (`attachment` reads them); history never carries them. */
  | { type: 'image'; mimeType: string; fileName?: string; sizeBytes: number; attachment: number };

export interface Attachment {
  mimeType: string;
  fileName?: string;
  bytes: Uint8Array;
}

export type Role = 'user' | 'assistant';

/** `pending`: an answer's slot that its run has not filled yet; `interrupted`: the process died while it streamed. */
export type MessageState = 'pending' | 'complete' | 'aborted' | 'error' | 'interrupted';

export interface MessageRecord {
  /** Unique for ever: first eight hex digits of the session id, `-`, `seq`. */
  id: string;
  /** Counts up per session over all branches, from 1, no gaps. */
  seq: number;
  role: Role;
  content: readonly ContentBlock[];
  state: MessageState;
  /** Milliseconds since the epoch: arrival of a user message, end of an answer. */
  timestamp: number;
  /** The run that it opened or answers; absent on an injected note. */
  runId?: string;
  /** Answers only. */
  provider?: string;
  model?: string;
  stopReason?: string;
  usage?: Usage;
  errorMessage?: string;
  /** Absent of what failed before kinds were stored. */
  errorKind?: FailureKind;
  /** A note's label (`chat.inject`). */
  label?: string;
}

/** What a model is told of a message. */
export type SpokenMessage = Pick<MessageRecord, 'seq' | 'role' | 'content' | 'state'>;

export interface SessionRecord {
  key: string;
  /** UUID; a reset gives a new one. */
  sessionId: string;
  agentId: string;
  label?: string;
  /** First line of the first user message, at most 80 characters, never cut inside a character. */
  derivedTitle?: string;
  /** `provider/model` chosen for this session; absent: the agent's. */
  model?: string;
  createdAt: number;
  /** Last message, answer or edit. */
  updatedAt: number;
  /** The user's last message, or the session's creation. */
  interactedAt: number;
  archivedAt?: number;
  pinnedAt?: number;
  lastReadAt?: number;
  /** Last completed or failed answer, for `unread`. */
  lastAnswerAt?: number;
  /** Sums over all answers of this session id. */
  totals: Usage;
  /** Tokens that the last call put into the model's context (input + cache), 0 before the first. */
  contextTokens: number;
  /** Messages on the active path, pending slots included. */
  messageCount: number;
  /** Active leaf; absent while empty. */
  leafId?: string;
}

export interface SessionQuery {
  limit: number;
  offset: number;
  /** Case-insensitive substring of key, label or derived title. */
  search?: string;
  /** Exact label. */
  label?: string;
  agentId?: string;
  archived: boolean | 'all';
  /** Only sessions updated at or after this time. */
  updatedSince?: number;
  /** Newest first by this; `updatedAt` if absent. */
  sortBy?: 'updatedAt' | 'lastInteractionAt';
}

/**
 * Newest page by default. Messages come oldest first. Pending slots are left out and do not count
 * towards `limit`, but an offset counts them: so it means the same before and after one is filled.
 */
export interface HistoryQuery {
  /** At least 1. */
  limit: number;
  /** Places to skip from the newest end. */
  offset: number;
  /** Fewer messages than `limit` if they take more bytes in the store; the newest one in any case. */
  maxBytes?: number;
}

export interface HistoryPage {
  session: SessionRecord;
  messages: readonly MessageRecord[];
  /** What they take in the store. */
  bytes: number;
  hasMore: boolean;
  /** Offset of the next older page; set when `hasMore`. */
  nextOffset?: number;
  /** Messages on the active path, pending slots left out. */
  totalMessages: number;
}

export type RunState = 'queued' | 'running' | 'final' | 'aborted' | 'error' | 'interrupted';

/** What a send asks beside its text; kept with the run so that a queued one survives a restart. */
export interface RunOptions {
  /** `provider/model` for this run only. */
  model?: string;
  /** Bound of the whole run in milliseconds. */
  timeoutMs?: number;
  thinking?: ReasoningEffort;
}

export interface RunRecord {
  runId: string;
  sessionKey: string;
  sessionId: string;
  agentId: string;
  state: RunState;
  options: RunOptions;
  /** `seq` of the user's message. */
  messageSeq: number;
  /** `seq` of the answer's slot. */
  answerSeq: number;
  createdAt: number;
  errorMessage?: string;
}

export interface NewTurn {
  runId: string;
  agentId: string;
  text: string;
  attachments: readonly Attachment[];
  options: RunOptions;
  timestamp: number;
  /** The session is idle: the run is under way as soon as it is accepted, which saves a commit. */
  start?: boolean;
  /** Refused with `stale_leaf` unless this message stands on the active path. */
  expectedLeafId?: string;
  /** Refused with `stale_session` unless it is the session's current id. */
  expectedSessionId?: string;
}

/** Expected refusals of a write; anything else that goes wrong rejects with `StoreUnavailableError`. */
export type Refusal = 'not_found' | 'stale_leaf' | 'stale_session' | 'exists' | 'storage_full';

/** Why the leaf cannot move, or a conversation be continued elsewhere. */
export type MoveRefusal =
  | 'not_found'
  /** The id names no message of this conversation (of what was said since the last reset). */
  | 'no_message'
  | 'not_user'
  /** The message is not on the active path, or is no leaf. */
  | 'stale_leaf'
  /** An answer is under way or waited for. */
  | 'busy'
  | 'exists'
  /** The user's sessions hold as many bytes as they may, or would hold more with the copy. */
  | 'storage_full';

export type Moved =
  /** `message` is the one that now is to be written again: nothing if the leaf only moved. */
  | { outcome: 'moved'; session: SessionRecord; message?: MessageRecord }
  | { outcome: 'refused'; reason: MoveRefusal };

/** A way that the conversation took. */
export interface Branch {
  leafId: string;
  /** Of the last user message on the way: its first line, at most 80 characters; may be empty. */
  headline: string;
  /** From the root to the leaf. */
  messageCount: number;
  /** Milliseconds since the epoch: when the leaf was written. */
  updatedAt: number;
  active: boolean;
}

export interface SearchQuery {
  /** Terms between spaces; a message must hold all of them, whatever their case. */
  text: string;
  /** Only these sessions. */
  keys?: readonly string[];
  /** Only sessions that this agent answers. */
  agentId?: string;
  limit: number;
}

export interface SearchHit {
  key: string;
  sessionId: string;
  messageId: string;
  role: Role;
  timestamp: number;
  /** Text around the match, on one line. */
  snippet: string;
  /** More is better; comparable within one search only. */
  score: number;
}

export interface SearchResult {
  /** Best first. */
  hits: readonly SearchHit[];
  /** There is more, or there may be: not everything was read. */
  truncated: boolean;
}

export type AcceptedTurn =
  /** New and durable. `created` tells that the session came into being with it. */
  | { outcome: 'accepted'; run: RunRecord; created: boolean }
  /** This run id is known in this session: nothing was written. */
  | { outcome: 'duplicate'; run: RunRecord }
  | { outcome: 'refused'; reason: Refusal };

export interface Answer {
  state: 'complete' | 'aborted' | 'error' | 'interrupted';
  content: readonly ContentBlock[];
  timestamp: number;
  provider?: string;
  model?: string;
  /** A provider's `StopReason`, or why it was ended from outside. */
  stopReason?: string;
  usage?: Usage;
  /** For people; no secrets. */
  errorMessage?: string;
  errorKind?: FailureKind;
}

/** `null` clears, absent leaves alone. */
export interface SessionPatch {
  label?: string | null;
  model?: string | null;
  archived?: boolean;
  pinned?: boolean;
  unread?: boolean;
}

export interface QueuedRun {
  principal: Principal;
  run: RunRecord;
}

export interface Recovery {
  /** Runs that were under way when the process died; their answers now say `interrupted`. */
  interrupted: number;
  /** Accepted, never started, in the order of their arrival: they are to run now. */
  queued: readonly QueuedRun[];
}

/** What a process takes over of others that died. */
export interface Inheritance {
  /** The numbers of those others. */
  owners: readonly number[];
  /** Whose sessions they served. */
  has(principal: Principal): boolean;
}

/** The database cannot be written, or read (disk full, I/O, lock, corruption). `message` names no path. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}

type StoreFileReason = 'foreign' | 'newer' | 'in_use' | 'workers_left' | 'unusable';

/**
 * The file cannot be opened as a session store: `foreign`, it belongs to another program; `newer`,
 * a later release wrote it; `in_use`, another process owns it; `workers_left`, its owner has ended and
 * workers of that one are about to; `unusable`, anything else (see `cause`). For operators: `message` begins with the
 * path of the file that is meant.
 */
export class StoreFileError extends Error {
  override readonly name = 'StoreFileError';
  readonly reason: StoreFileReason;

  constructor(reason: StoreFileReason, path: string, sentence: string, options?: ErrorOptions) {
    super(`${path}: ${sentence}`, options);
    this.reason = reason;
  }
}

export interface SessionBrief {
  /** The model that the user chose for it, if any. */
  model?: string;
  /** What it holds, all branches and attachments included. */
  bytes: number;
}

/**
 * A principal or key that is not well-formed Unicode (a lone surrogate) names nothing: it answers
 * as a missing session, and `create` and `acceptTurn` refuse it with `not_found`. Text, whatever it
 * holds, comes back as it was given.
 */
export interface SessionStore {
  describe(principal: Principal, key: string): SessionRecord | undefined;
  list(
    principal: Principal,
    query: SessionQuery,
  ): { sessions: readonly SessionRecord[]; total: number };
  /** What a run has to know of its session. One that is not there holds nothing. */
  brief(principal: Principal, key: string): SessionBrief;
  history(principal: Principal, key: string, query: HistoryQuery): HistoryPage | undefined;
  /** Any message of the session, on whatever branch. */
  message(principal: Principal, key: string, messageId: string): MessageRecord | undefined;
  /** How many places of the active path are newer (an offset for `history`); nothing if the message is not on it. */
  offsetOf(principal: Principal, key: string, messageId: string): number | undefined;
  attachment(
    principal: Principal,
    key: string,
    messageSeq: number,
    index: number,
  ): Attachment | undefined;
  /** Newest first, from just before the message with `beforeSeq` back to the root of its path; read lazily. */
  ancestors(principal: Principal, key: string, beforeSeq: number): Iterable<SpokenMessage>;
  run(principal: Principal, key: string, runId: string): RunRecord | undefined;
  /** The same once it is durable, to be told to somebody who asks whether it was accepted. */
  durableRun(principal: Principal, key: string, runId: string): Promise<RunRecord | undefined>;

  /**
   * What was said in the principal's conversations: messages of active paths, read newest session first in
   * slices of a few milliseconds, up to 50,000 messages and 64 MiB. `busy` if too many are under way.
   */
  search(principal: Principal, query: SearchQuery): Promise<SearchResult | 'busy'>;

  create(
    principal: Principal,
    session: { key: string; agentId: string; label?: string; model?: string; timestamp: number },
  ): Promise<
    | { outcome: 'created' | 'existing'; session: SessionRecord }
    | { outcome: 'refused'; reason: Refusal }
  >;
  /** Creates the session if it does not exist. */
  acceptTurn(principal: Principal, key: string, turn: NewTurn): Promise<AcceptedTurn>;
  /** An assistant note without a run, at the end of the active path. Never creates a session. */
  inject(
    principal: Principal,
    key: string,
    note: { text: string; label?: string; timestamp: number },
  ): Promise<MessageRecord | undefined>;
  /** `stale_session`, and nothing is changed, if an expected id is given that is not the session's current one. */
  patch(
    principal: Principal,
    key: string,
    patch: SessionPatch,
    timestamp: number,
    expectedSessionId?: string,
  ): Promise<SessionRecord | 'stale_session' | undefined>;
  /** Gives the session a new id and an empty path; what was said stays stored. Ends its queued runs as aborted. */
  reset(principal: Principal, key: string, timestamp: number): Promise<SessionRecord | undefined>;
  /**
   * The leaf moves to just before this user message of the active path, so that it can be written
   * again; what followed stays as a branch.
   */
  rewind(principal: Principal, key: string, messageId: string): Promise<Moved>;
  /** The conversation since the last reset: its branches in the order in which they began, the newest 100. */
  branches(principal: Principal, key: string): readonly Branch[] | undefined;
  /** Makes the branch with this leaf the active one. */
  switchBranch(principal: Principal, key: string, leafId: string): Promise<Moved>;
  /**
   * A new session under `to.key` with a copy of the history up to and including this answer, or up to
   * just before this user message. It appears when it is complete; a long or large one is copied in slices. One of a
   * user at a time: others of the same user wait.
   */
  fork(
    principal: Principal,
    key: string,
    messageId: string,
    to: { key: string; agentId: string; timestamp: number },
  ): Promise<Moved>;
  /**
   * Removes the session, its messages, runs and attachments: for everyone at once, from the file
   * in slices. `stale_session`, and it stays, if an expected id is given that is not its current one.
   */
  delete(
    principal: Principal,
    key: string,
    expectedSessionId?: string,
  ): Promise<'deleted' | 'not_found' | 'stale_session'>;

  /** queued → running. False if the run is not queued any more. */
  startRun(principal: Principal, key: string, runId: string): Promise<boolean>;
  /** Adds streamed text to what a crash would leave of the answer; costs as much as `text` is long. */
  checkpoint(principal: Principal, key: string, runId: string, text: string): Promise<void>;
  /**
   * Fills the answer's slot and ends the run. Resolves with the message there, or with nothing if the session was
   * deleted meanwhile.
   */
  finishRun(
    principal: Principal,
    key: string,
    runId: string,
    answer: Answer,
  ): Promise<MessageRecord | undefined>;

  /**
   * For operators: removes everything of a user, in all instances. For everyone at once in effect; resolves when it
   * has left the tables. A user without sessions is no error.
   */
  deleteUser(userId: string): Promise<Removed>;
  /** For operators: removes what the rules say. Resolves with how many sessions that were. */
  retire(rules: RetentionRules, onSession: (session: RetiredSession) => void): Promise<number>;

  /**
   * While no write succeeds (a full disk, a lock, a read-only file): resolves when they do again. Else
   * nothing.
   */
  recovery(): Promise<void> | undefined;
  /**
   * Ends what was under way when this store's process died: once, before serving. With `inheritance`, what was under
   * way in other processes that serve the same file, after their deaths.
   */
  recover(timestamp: number, inheritance?: Inheritance): Promise<Recovery>;
  /** Commits what is pending and closes the file. */
  close(): Promise<void>;
}
