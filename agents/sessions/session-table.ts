/**
 * The sessions table. Everything that finds a session takes its principal; what takes a row or a
 * number is for callers that got it that way.
 */

import type { Usage } from '../../providers/contract.ts';
import type { Principal } from '../principal.ts';
import type { Db } from './database.ts';
import type { SessionRow } from './records.ts';
import type { SessionPatch, SessionQuery } from './store.ts';
import type { BranchStretch, Place } from './transcript-table.ts';

const COLUMNS = `s.id, s.session_key, s.session_id, s.agent_id, s.label, s.derived_title, s.model,
  s.created_at, s.updated_at, s.interacted_at, s.archived_at, s.pinned_at, s.last_read_at, s.last_answer_at,
  s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.context_tokens,
  s.branch, s.depth, s.next_seq, s.bytes,
  (SELECT m.seq FROM messages m
    WHERE m.session = s.id AND m.branch = s.branch AND m.depth = s.depth) AS leaf_seq`;

export interface NewSession {
  key: string;
  sessionId: string;
  agentId: string;
  label?: string;
  model?: string;
  timestamp: number;
}

/** Where a session stands after something was appended. */
export interface Advance {
  branch: number;
  depth: number;
  nextSeq: number;
  timestamp: number;
  /** Of what was appended. */
  bytes: number;
  /** Who answers from now on; absent if the user said nothing. */
  agentId?: string;
  /** Kept only if the session has no title yet, or if its first message was just written. */
  title?: string | undefined;
  isFirst?: boolean;
}

/** A message of a session, the branch that it stands on, and what the whole session holds. */
export type Located = { session: number; bytes: number } & Place & BranchStretch;

/** What an answer changes of its session. */
export interface Answered {
  timestamp: number;
  bytes: number;
  counts: boolean;
}

/** Where a session stands after its leaf was moved. */
export interface Move {
  branch: number;
  depth: number;
  contextTokens: number;
  /** Absent: stays. */
  title?: string | undefined;
}

export type SessionTable = ReturnType<typeof createSessionTable>;

export function createSessionTable(db: Db) {
  const find = db.prepare<[string, string, string], SessionRow>(
    `SELECT ${COLUMNS} FROM sessions s WHERE user_id = ? AND instance_id = ? AND session_key = ?`,
  );
  const byNumber = db.prepare<[number], SessionRow>(
    `SELECT ${COLUMNS} FROM sessions s WHERE s.id = ?`,
  );
  const own = db.prepare<[number, string, string], SessionRow>(
    `SELECT ${COLUMNS} FROM sessions s WHERE s.id = ? AND user_id = ? AND instance_id = ?`,
  );
  const numbers = db
    .prepare<[string, string, number], number>(
      `SELECT id FROM sessions INDEXED BY sessions_by_update
       WHERE user_id = +? AND instance_id = +? ORDER BY updated_at DESC, id DESC LIMIT +?`,
    )
    .pluck();
  const insert = db.prepare(
    `INSERT INTO sessions
      (user_id, instance_id, session_key, session_id, agent_id, label, model, created_at, updated_at,
       interacted_at)
     VALUES (@userId, @instanceId, @key, @sessionId, @agentId, @label, @model, @timestamp, @timestamp,
       @timestamp)`,
  );
  const advance = db.prepare(
    `UPDATE sessions SET branch = @branch, depth = @depth, next_seq = @nextSeq, bytes = bytes + @bytes,
       updated_at = max(updated_at, @timestamp), agent_id = coalesce(@agentId, agent_id),
       interacted_at = CASE WHEN @agentId IS NULL THEN interacted_at
         ELSE max(interacted_at, @timestamp) END,
       derived_title = CASE WHEN @isFirst THEN coalesce(@title, derived_title)
         ELSE coalesce(derived_title, @title) END
     WHERE id = @id`,
  );
  const move = db.prepare(
    `UPDATE sessions SET branch = @branch, depth = @depth, context_tokens = @contextTokens,
       derived_title = coalesce(@title, derived_title)
     WHERE id = @id`,
  );
  const publish = db.prepare(
    `UPDATE sessions SET user_id = @userId, instance_id = @instanceId, session_key = @key,
       next_seq = depth + 1
     WHERE id = @id`,
  );
  const bury = db.prepare(
    `UPDATE sessions SET user_id = '', instance_id = '', session_key = 'buried:' || id WHERE id = ?`,
  );
  const buried = db
    .prepare<[string], number>(
      `SELECT id FROM sessions
       WHERE user_id = '' AND (session_key GLOB 'buried:*' OR session_key GLOB ?)`,
    )
    .pluck();
  const grow = db.prepare('UPDATE sessions SET bytes = bytes + @bytes WHERE id = @id');
  const brief = db.prepare<[string, string, string], Pick<SessionRow, 'model' | 'bytes'>>(
    `SELECT model, bytes FROM sessions
     WHERE user_id = ? AND instance_id = ? AND session_key = ?`,
  );
  const locate = db.prepare<[string, string, string, number], Located>(
    `SELECT s.id AS session, s.bytes, m.branch, m.depth, b.parent_branch, b.fork_depth
       FROM sessions s JOIN messages m ON m.session = s.id
       JOIN branches b ON b.session = m.session AND b.branch = m.branch
     WHERE s.user_id = +? AND s.instance_id = +? AND s.session_key = +? AND m.seq = +?`,
  );
  const storedBytes = db
    .prepare<[string], number>('SELECT bytes FROM stored_bytes WHERE user_id = ?')
    .pluck();
  const answered = db.prepare(
    `UPDATE sessions SET bytes = bytes + @bytes, updated_at = max(updated_at, @timestamp),
       last_answer_at = CASE WHEN @counts THEN @timestamp ELSE last_answer_at END,
       input_tokens = input_tokens + @input, output_tokens = output_tokens + @output,
       cache_read_tokens = cache_read_tokens + @cacheRead,
       cache_write_tokens = cache_write_tokens + @cacheWrite,
       context_tokens = coalesce(@context, context_tokens)
     WHERE id = @id`,
  );
  const patch = db.prepare(
    `UPDATE sessions SET label = @label, model = @model, archived_at = @archivedAt,
       pinned_at = @pinnedAt, last_read_at = @lastReadAt, updated_at = @updatedAt
     WHERE id = @id`,
  );
  const restart = db.prepare(
    `UPDATE sessions SET session_id = @sessionId, branch = @branch, depth = 0,
       derived_title = NULL, last_answer_at = NULL, input_tokens = 0, output_tokens = 0,
       cache_read_tokens = 0, cache_write_tokens = 0, context_tokens = 0,
       updated_at = max(updated_at, @timestamp)
     WHERE id = @id`,
  );
  const remove = db.prepare('DELETE FROM sessions WHERE id = ?');
  const list = createListing(db);

  return {
    list,

    find(principal: Principal, key: string): SessionRow | undefined {
      if (!canExist(principal, key)) return undefined;
      return find.get(principal.userId, principal.instanceId, key);
    },

    /** The principal's session with this number, if it still is. */
    own({ userId, instanceId }: Principal, id: number): SessionRow | undefined {
      return own.get(id, userId, instanceId);
    },

    /** Of the principal's sessions, last updated first. */
    numbers(principal: Principal, limit: number): number[] {
      if (!canExist(principal)) return [];
      return numbers.all(principal.userId, principal.instanceId, limit);
    },

    /** Nothing if no session can have this name. The session has no branch yet. */
    insert(principal: Principal, session: NewSession): SessionRow | undefined {
      if (!canExist(principal, session.key)) return undefined;
      const { userId, instanceId } = principal;
      const { label = null, model = null, ...rest } = session;
      const { lastInsertRowid } = insert.run({ ...rest, userId, instanceId, label, model });
      return byNumber.get(Number(lastInsertRowid));
    },

    read: (id: number): SessionRow | undefined => byNumber.get(id),

    brief(principal: Principal, key: string): Pick<SessionRow, 'model' | 'bytes'> | undefined {
      if (!canExist(principal, key)) return undefined;
      return brief.get(principal.userId, principal.instanceId, key);
    },

    /** Where the message with this number stands. */
    locate(principal: Principal, key: string, seq: number): Located | undefined {
      if (!canExist(principal, key)) return undefined;
      return locate.get(principal.userId, principal.instanceId, key, seq);
    },

    advance(id: number, to: Advance): void {
      const { agentId = null, title = null, isFirst = false } = to;
      advance.run({ ...to, id, agentId, title, isFirst: isFirst ? 1 : 0 });
    },

    move(id: number, to: Move): void {
      move.run({ ...to, id, title: to.title ?? null });
    },

    /** Like `insert`, but nobody's: it cannot be found before `publish`. */
    insertHidden(session: Omit<NewSession, 'key'>, owner: number): number {
      const key = `copy:${owner}:${session.sessionId}`;
      const hidden = { userId: '', instanceId: '', key, label: null };
      const { model = null, ...rest } = session;
      return Number(insert.run({ ...rest, ...hidden, model }).lastInsertRowid);
    },

    /** Gives a hidden session its owner and its name. */
    publish(id: number, { userId, instanceId }: Principal, key: string): void {
      publish.run({ id, userId, instanceId, key });
    },

    /** From now on it is nobody's: its name is free, and what it holds can be removed at leisure. */
    bury(id: number): void {
      bury.run(id);
    },

    /**
     * Sessions that are nobody's: buried by whomever, or never published by this process that died. Without one,
     * by any: then none may be about to be.
     */
    buried: (owner?: number): number[] => buried.all(owner === undefined ? '*' : `copy:${owner}:*`),

    /** `counts`: the answer is one that a user may not have read yet. */
    answered(id: number, usage: Usage | undefined, to: Answered): void {
      const { input = 0, output = 0, cacheRead = 0, cacheWrite = 0 } = usage ?? {};
      const context = usage ? input + cacheRead + cacheWrite : null;
      const values = { input, output, cacheRead, cacheWrite, context };
      answered.run({ ...values, ...to, id, counts: to.counts ? 1 : 0 });
    },

    /** It holds so many bytes more, by a way that `advance` and `answered` do not go. */
    grow(id: number, bytes: number): void {
      grow.run({ id, bytes });
    },

    /** What all sessions of the user hold, in all instances. */
    storedBytes: (userId: string): number => storedBytes.get(userId) ?? 0,

    patch(row: SessionRow, change: SessionPatch, timestamp: number): void {
      patch.run({ id: row.id, ...patched(row, change, timestamp) });
    },

    /** A new id and an empty path; sums and title start again. */
    restart(id: number, sessionId: string, branch: number, timestamp: number): void {
      restart.run({ id, sessionId, branch, timestamp });
    },

    remove(id: number): void {
      remove.run(id);
    },
  };
}

/**
 * SQLite would store a lone surrogate as U+FFFD, and so two names would become one. Such a name is
 * therefore nobody's. No user has an empty id: it marks sessions that nobody may find.
 */
export function canExist(principal: Principal, key = ''): boolean {
  return (
    principal.userId !== '' &&
    principal.userId.isWellFormed() &&
    principal.instanceId.isWellFormed() &&
    key.isWellFormed()
  );
}

/**
 * Label and model are edits and date the session. Archiving, pinning and reading are marks: they
 * leave its place in the list alone.
 */
function patched(row: SessionRow, change: SessionPatch, timestamp: number) {
  const mark = (wanted: boolean | undefined, since: number | null) =>
    wanted === undefined ? since : wanted ? (since ?? timestamp) : null;
  const edited = change.label !== undefined || change.model !== undefined;
  // An answer that a clock dates into the future is read all the same.
  const readAt = Math.max(timestamp, row.last_answer_at ?? 0);
  return {
    label: change.label === undefined ? row.label : change.label,
    model: change.model === undefined ? row.model : change.model,
    archivedAt: mark(change.archived, row.archived_at),
    pinnedAt: mark(change.pinned, row.pinned_at),
    lastReadAt: change.unread === undefined ? row.last_read_at : change.unread ? null : readAt,
    updatedAt: edited ? Math.max(row.updated_at, timestamp) : row.updated_at,
  };
}

/** Newest first. Filters and order decide the statement; each is prepared once. */
function createListing(db: Db) {
  const prepared = new Map<string, ReturnType<typeof prepare>>();
  const all = db
    .prepare<[{ userId: string; instanceId: string; archived: number | null }], number>(
      `SELECT coalesce(sum(sessions), 0) FROM session_counts
       WHERE user_id = +@userId AND instance_id = +@instanceId AND archived = coalesce(@archived, archived)`,
    )
    .pluck();

  function prepare(where: string, by: 'updated_at' | 'interacted_at') {
    const from = `FROM sessions INDEXED BY sessions_by_update WHERE ${where}`;
    return {
      count: db.prepare<[Record<string, unknown>], number>(`SELECT count(*) ${from}`).pluck(),
      // The page is chosen first and read afterwards: what OFFSET skips is never read.
      page: db.prepare<[Record<string, unknown>], SessionRow>(
        `WITH page AS (
           SELECT id, ${by} AS at ${from} ORDER BY ${by} DESC, id DESC LIMIT +@limit OFFSET +@offset
         )
         SELECT ${COLUMNS} FROM page CROSS JOIN sessions s ON s.id = page.id
         ORDER BY page.at DESC, page.id DESC`,
      ),
    };
  }

  return (principal: Principal, query: SessionQuery): { rows: SessionRow[]; total: number } => {
    if (!canExist(principal)) return { rows: [], total: 0 };
    const where = conditions(query);
    const by = query.sortBy === 'lastInteractionAt' ? 'interacted_at' : 'updated_at';
    const statements = prepared.get(where + by) ?? prepare(where, by);
    prepared.set(where + by, statements);
    const { userId, instanceId } = principal;
    const { archived, sortBy: _, ...values } = query;
    // To count is to read all that a user has, so only what a filter leaves of them is counted.
    const total = isFiltered(query)
      ? statements.count.get({ ...values, userId, instanceId })
      : all.get({ userId, instanceId, archived: archived === 'all' ? null : Number(archived) });
    return { rows: statements.page.all({ ...values, userId, instanceId }), total: total ?? 0 };
  };
}

/** Whether it leaves out others than archived sessions, or all but these. */
function isFiltered({ search, label, agentId, updatedSince }: SessionQuery): boolean {
  return [search, label, agentId, updatedSince].some((filter) => filter !== undefined);
}

/** SQL made of constants only; the values are bound. `lower` folds ASCII, other letters match exactly. */
function conditions(query: SessionQuery): string {
  const search = ['session_key', 'label', 'derived_title'].map(
    (column) => `instr(lower(${column}), lower(@search)) > 0`,
  );
  return [
    'user_id = +@userId AND instance_id = +@instanceId',
    query.archived === true && 'archived_at IS NOT NULL',
    query.archived === false && 'archived_at IS NULL',
    query.updatedSince !== undefined && 'updated_at >= @updatedSince',
    query.label !== undefined && 'label = @label',
    query.agentId !== undefined && 'agent_id = @agentId',
    query.search !== undefined && `(${search.join(' OR ')})`,
  ]
    .filter((condition) => condition !== false)
    .join(' AND ');
}
