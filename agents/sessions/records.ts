/** Rows as SQLite gives them, and the records of the contract that they become. */

import type { Usage } from '../../providers/contract.ts';
import type { FailureKind } from '../../providers/errors.ts';
import type {
  Answer,
  ContentBlock,
  MessageRecord,
  MessageState,
  Role,
  RunOptions,
  RunRecord,
  RunState,
  SessionRecord,
  SpokenMessage,
} from './store.ts';

export interface SessionRow {
  id: number;
  session_key: string;
  session_id: string;
  agent_id: string;
  label: string | null;
  derived_title: string | null;
  model: string | null;
  created_at: number;
  updated_at: number;
  interacted_at: number;
  archived_at: number | null;
  pinned_at: number | null;
  last_read_at: number | null;
  last_answer_at: number | null;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  context_tokens: number;
  branch: number;
  depth: number;
  next_seq: number;
  /** Of its messages and attachments. */
  bytes: number;
  /** `seq` of the active leaf; null at depth 0. */
  leaf_seq: number | null;
}

export interface MessageRow {
  id: number;
  seq: number;
  branch: number;
  depth: number;
  role: Role;
  state: MessageState;
  content: string;
  timestamp: number;
  run_id: string | null;
  provider: string | null;
  model: string | null;
  stop_reason: string | null;
  usage: string | null;
  error_message: string | null;
  error_kind: FailureKind | null;
  label: string | null;
  /** Of the branch: the session's own id may have changed since. */
  session_id: string;
}

export type SpokenRow = Pick<MessageRow, 'seq' | 'depth' | 'role' | 'state' | 'content'>;

export interface RunRow {
  run_id: string;
  agent_id: string;
  state: RunState;
  options: string;
  message_seq: number;
  answer_seq: number;
  created_at: number;
  error_message: string | null;
  /** The row of its session. */
  session: number;
  session_key: string;
  /** That under which the run was accepted. */
  session_id: string;
  /** The session's own, now. */
  current_session_id: string;
}

export function messageId(sessionId: string, seq: number): string {
  return `${sessionId.slice(0, 8)}-${seq}`;
}

/** The `seq` that an id names, if it has the form of one; whether the rest of it is right is another matter. */
export function seqOf(id: string): number | undefined {
  const digits = /^[0-9a-f]{8}-([1-9]\d{0,14})$/.exec(id)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export function toSession(row: SessionRow): SessionRecord {
  return {
    key: row.session_key,
    sessionId: row.session_id,
    agentId: row.agent_id,
    ...(row.label !== null && { label: row.label }),
    ...(row.derived_title !== null && { derivedTitle: row.derived_title }),
    ...(row.model !== null && { model: row.model }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    interactedAt: row.interacted_at,
    ...(row.archived_at !== null && { archivedAt: row.archived_at }),
    ...(row.pinned_at !== null && { pinnedAt: row.pinned_at }),
    ...(row.last_read_at !== null && { lastReadAt: row.last_read_at }),
    ...(row.last_answer_at !== null && { lastAnswerAt: row.last_answer_at }),
    totals: {
      input: row.input_tokens,
      output: row.output_tokens,
      cacheRead: row.cache_read_tokens,
      cacheWrite: row.cache_write_tokens,
      total: row.input_tokens + row.output_tokens + row.cache_read_tokens + row.cache_write_tokens,
    },
    contextTokens: row.context_tokens,
    messageCount: row.depth,
    ...(row.leaf_seq !== null && { leafId: messageId(row.session_id, row.leaf_seq) }),
  };
}

export function toMessage(row: MessageRow): MessageRecord {
  return {
    id: messageId(row.session_id, row.seq),
    seq: row.seq,
    role: row.role,
    content: parseContent(row.content),
    state: row.state,
    timestamp: row.timestamp,
    ...(row.run_id !== null && { runId: row.run_id }),
    ...(row.provider !== null && { provider: row.provider }),
    ...(row.model !== null && { model: row.model }),
    ...(row.stop_reason !== null && { stopReason: row.stop_reason }),
    ...(row.usage !== null && { usage: parseUsage(row.usage) }),
    ...(row.error_message !== null && { errorMessage: row.error_message }),
    ...(row.error_kind !== null && { errorKind: row.error_kind }),
    ...(row.label !== null && { label: row.label }),
  };
}

/** What `toMessage` makes of the slot once it holds the answer. */
export function filledMessage(slot: MessageRow, answer: Answer): MessageRecord {
  const { content, ...rest } = answer;
  return { ...toMessage(slot), ...rest, content: [...content] };
}

export function toSpoken({ seq, role, state, content }: SpokenRow): SpokenMessage {
  return { seq, role, state, content: parseContent(content) };
}

export function toRun(row: RunRow): RunRecord {
  return {
    runId: row.run_id,
    sessionKey: row.session_key,
    sessionId: row.session_id,
    agentId: row.agent_id,
    state: row.state,
    options: parseOptions(row.options),
    messageSeq: row.message_seq,
    answerSeq: row.answer_seq,
    createdAt: row.created_at,
    ...(row.error_message !== null && { errorMessage: row.error_message }),
  };
}

// Taken at their word: only this folder writes these columns, with values of these types.
export const parseContent: (json: string) => ContentBlock[] = JSON.parse;
const parseUsage: (json: string) => Usage = JSON.parse;
const parseOptions: (json: string) => RunOptions = JSON.parse;
