/**
 * Branches and messages. A path runs from a leaf back to the root through the branches that lead to
 * it; they are few, and each contributes one stretch of depths that an index serves in order.
 */

import type { Db } from './database.ts';
import type { MessageRow, SpokenRow } from './records.ts';
import { fitting } from './slice.ts';
import type { Answer, Attachment, ContentBlock, MessageState, Role } from './store.ts';

/** A place in a transcript: the message at this depth of this branch. Depth 0 stands before all. */
export interface Place {
  branch: number;
  depth: number;
}

/** A message to append. */
export interface Draft {
  role: Role;
  state: MessageState;
  content: readonly ContentBlock[];
  timestamp: number;
  runId?: string;
  label?: string | undefined;
  attachments?: readonly Attachment[];
}

/** The part of a path that lies on one branch: depths `from` to `to`, both included. */
export interface Stretch {
  branch: number;
  from: number;
  to: number;
}

/** The last message of a branch. */
export interface TipRow extends Place {
  seq: number;
  timestamp: number;
}

/** Where a branch begins: behind this depth of its parent. */
export interface BranchStretch {
  parent_branch: number | null;
  fork_depth: number;
}

interface BranchRow extends BranchStretch {
  session_id: string;
}

const COLUMNS = `m.id, m.seq, m.branch, m.depth, m.role, m.state, m.content, m.timestamp, m.run_id,
  m.provider, m.model, m.stop_reason, m.usage, m.error_message, m.error_kind, m.label,
  b.session_id`;

const FROM = 'messages m JOIN branches b ON b.session = m.session AND b.branch = m.branch';

/** What a walk reads at a time, at the most: a reader that stops early has read little, and the event loop is not held. */
const WALK_PAGE = { messages: 32, bytes: 128 * 1024 };

export type TranscriptTable = ReturnType<typeof createTranscriptTable>;

export function createTranscriptTable(db: Db) {
  const branchRow = db.prepare<[number, number], BranchRow>(
    'SELECT parent_branch, fork_depth, session_id FROM branches WHERE session = ? AND branch = ?',
  );
  const insertBranch = db
    .prepare<
      [{ session: number; parent: number | null; forkDepth: number; sessionId: string }],
      number
    >(
      `INSERT INTO branches (session, branch, parent_branch, fork_depth, session_id)
       SELECT @session, coalesce(max(branch), 0) + 1, @parent, @forkDepth, @sessionId
         FROM branches WHERE session = +@session
       RETURNING branch`,
    )
    .pluck();
  const taken = db.prepare<[number, number, number], number>(
    'SELECT 1 FROM messages WHERE session = ? AND branch = ? AND depth = ?',
  );
  const bySeq = db.prepare<[number, number], MessageRow>(
    `SELECT ${COLUMNS} FROM ${FROM} WHERE m.session = +? AND m.seq = +?`,
  );
  const stretch = <Row>(columns: string, from: string, filter: string) =>
    db.prepare<[{ session: number; limit: number } & Stretch], Row>(
      `SELECT ${columns} FROM ${from}
       WHERE m.session = +@session AND m.branch = +@branch
         AND m.depth BETWEEN +@from AND +@to ${filter}
       ORDER BY m.depth DESC LIMIT +@limit`,
    );
  const isVisible = `AND m.state <> 'pending'`;
  const visible = stretch<MessageRow>(COLUMNS, FROM, isVisible);
  // `octet_length` of a column is in its row's header: the content itself is not read.
  const size = 'octet_length(m.content)';
  const visibleSizes = stretch<number>(size, 'messages m', isVisible).pluck();
  const sizes = stretch<number>(size, 'messages m', '').pluck();
  const spoken = stretch<SpokenRow>('m.seq, m.depth, m.role, m.state, m.content', 'messages m', '');
  const insertMessage = db.prepare(
    `INSERT INTO messages
       (session, seq, branch, depth, role, state, content, timestamp, run_id, label)
     VALUES (@session, @seq, @branch, @depth, @role, @state, @content, @timestamp, @runId, @label)`,
  );
  const fill = db.prepare(
    `UPDATE messages SET state = @state, content = @content, timestamp = @timestamp,
       provider = @provider, model = @model, stop_reason = @stopReason, usage = @usage,
       error_message = @errorMessage, error_kind = @errorKind
     WHERE id = @id`,
  );
  const insertAttachment = db.prepare(
    `INSERT INTO attachments (message, n, mime_type, file_name, bytes) VALUES (?, ?, ?, ?, ?)`,
  );
  const attachment = db.prepare<
    [number, number, number],
    { mime_type: string; file_name: string | null; bytes: Buffer }
  >(
    `SELECT a.mime_type, a.file_name, a.bytes FROM messages m JOIN attachments a ON a.message = m.id
     WHERE m.session = +? AND m.seq = +? AND a.n = +?`,
  );

  const at = db.prepare<[number, number, number], MessageRow>(
    `SELECT ${COLUMNS} FROM ${FROM} WHERE m.session = +? AND m.branch = +? AND m.depth = +?`,
  );
  const tips = db.prepare<[number, string, number], TipRow>(
    `SELECT m.branch, m.depth, m.seq, m.timestamp FROM branches b
       JOIN messages m ON m.session = b.session AND m.branch = b.branch AND m.depth =
         (SELECT max(depth) FROM messages WHERE session = b.session AND branch = b.branch)
     WHERE b.session = +? AND b.session_id = +? ORDER BY b.branch DESC LIMIT +?`,
  );
  // Only as much of a text as a headline can need leaves the database.
  const asked = db
    .prepare<[{ session: number } & Stretch], string | null>(
      `SELECT substr(json_extract(content, '$[0].text'), 1, 400) FROM messages
       WHERE session = +@session AND branch = +@branch AND depth BETWEEN +@from AND +@to
         AND role = 'user'
       ORDER BY depth DESC LIMIT 1`,
    )
    .pluck();

  /** The stretches of the path to `leaf`, newest first. `first` is the leaf's branch, where that was read already. */
  function* path(session: number, leaf: Place, first?: BranchStretch): Generator<Stretch> {
    let branch: number | null = leaf.branch;
    let to = leaf.depth;
    let known = first;
    while (branch !== null && to > 0) {
      const row: BranchStretch | undefined = known ?? branchRow.get(session, branch);
      if (!row) return;
      known = undefined;
      if (to > row.fork_depth) yield { branch, from: row.fork_depth + 1, to };
      to = Math.min(to, row.fork_depth);
      branch = row.parent_branch;
    }
  }

  function startBranch(session: number, sessionId: string, after?: Place): number {
    const from = { parent: after?.branch ?? null, forkDepth: after?.depth ?? 0 };
    const branch = insertBranch.get({ session, sessionId, ...from });
    if (branch === undefined) throw new Error('A branch was not inserted.');
    return branch;
  }

  /** The newest of this stretch that a walk reads at once; `bytes` is what the whole session holds. */
  function pageOf(part: { session: number } & Stretch, bytes: number): SpokenRow[] {
    const all = { ...part, limit: WALK_PAGE.messages };
    // What is small altogether need not be measured.
    if (bytes <= WALK_PAGE.bytes) return spoken.all(all);
    const { count } = fitting(sizes.all(all), WALK_PAGE.bytes, true);
    return spoken.all({ ...part, limit: count });
  }

  /** `leaf`, or a new branch after it if something else already follows it. */
  function freeLeaf(session: number, leaf: Place): Place {
    if (taken.get(session, leaf.branch, leaf.depth + 1) === undefined) return leaf;
    const sessionId = branchRow.get(session, leaf.branch)?.session_id;
    if (sessionId === undefined) throw new Error('A leaf has no branch.');
    return { branch: startBranch(session, sessionId, leaf), depth: leaf.depth };
  }

  function write(session: number, seq: number, place: Place, draft: Draft): void {
    const { attachments = [], content, runId = null, label = null, ...rest } = draft;
    const { lastInsertRowid: message } = insertMessage.run({
      ...rest,
      ...place,
      session,
      seq,
      runId,
      label,
      content: JSON.stringify(content),
    });
    attachments.forEach(({ mimeType, fileName = null, bytes }, n) => {
      insertAttachment.run(message, n, mimeType, fileName, bytes);
    });
  }

  return {
    /** An empty branch; the number it got. Without `after` it is a new root. */
    startBranch,

    /** Writes the drafts one below the other after `leaf`, with `seq` counting up; the new leaf. */
    append(session: number, leaf: Place, firstSeq: number, drafts: readonly Draft[]): Place {
      const { branch, depth } = freeLeaf(session, leaf);
      drafts.forEach((draft, n) => {
        write(session, firstSeq + n, { branch, depth: depth + 1 + n }, draft);
      });
      return { branch, depth: depth + drafts.length };
    },

    /** Bytes that its content takes. */
    fill(id: number, answer: Answer): number {
      const content = JSON.stringify(answer.content);
      fill.run({
        id,
        state: answer.state,
        content,
        timestamp: answer.timestamp,
        provider: answer.provider ?? null,
        model: answer.model ?? null,
        stopReason: answer.stopReason ?? null,
        usage: answer.usage ? JSON.stringify(answer.usage) : null,
        errorMessage: answer.errorMessage ?? null,
        errorKind: answer.errorKind ?? null,
      });
      return Buffer.byteLength(content);
    },

    at: (session: number, { branch, depth }: Place): MessageRow | undefined =>
      at.get(session, branch, depth),

    path,

    /** The same place on the branch that the message there stands on, or on the root's for depth 0. */
    home(session: number, { branch, depth }: Place): Place {
      let own = branch;
      for (;;) {
        const row = branchRow.get(session, own);
        if (!row || row.parent_branch === null || depth > row.fork_depth) {
          return { branch: own, depth };
        }
        own = row.parent_branch;
      }
    },

    /** The ends of the newest `limit` branches that hold something, in the order in which they began. */
    tips: (session: number, sessionId: string, limit: number): TipRow[] =>
      tips.all(session, sessionId, limit).toReversed(),

    /** The beginning of the newest text that the user wrote on the path to `leaf`. */
    lastAsked(session: number, leaf: Place): string {
      for (const part of path(session, leaf)) {
        const text = asked.get({ session, ...part });
        if (text !== undefined) return text ?? '';
      }
      return '';
    },

    bySeq: (session: number, seq: number): MessageRow | undefined => bySeq.get(session, seq),

    /** Whether `place` lies on the path to `leaf`. */
    onPath(session: number, leaf: Place, place: Place): boolean {
      for (const { branch, from, to } of path(session, leaf)) {
        if (branch === place.branch) return place.depth >= from && place.depth <= to;
      }
      return false;
    },

    /**
     * At most `limit` messages of the path to `leaf`, pending slots left out, newest first; fewer if their content
     * takes more than `maxBytes`, but at least one. What is left out is not read.
     */
    newest(session: number, leaf: Place, limit: number, maxBytes: number) {
      const rows: MessageRow[] = [];
      let bytes = 0;
      for (const part of path(session, leaf)) {
        const found = visibleSizes.all({ session, ...part, limit: limit - rows.length });
        const fit = fitting(found, maxBytes - bytes, rows.length === 0);
        bytes += fit.bytes;
        if (fit.count > 0) rows.push(...visible.all({ session, ...part, limit: fit.count }));
        if (fit.count < found.length || rows.length >= limit) break;
      }
      return { rows, bytes };
    },

    /**
     * The path to `leaf`, the place above one on the given branch, in a session that was just read and holds so many
     * bytes, newest first, read as it is asked for. No statement stays open between two messages, so others may write
     * meanwhile; it ends when the session is not there any more.
     */
    *walk(session: number, leaf: Place & BranchStretch, bytes: number, isThere: () => boolean) {
      let isFirst = true;
      for (const part of path(session, leaf, leaf)) {
        let to = part.to;
        while (to >= part.from && (isFirst || isThere())) {
          isFirst = false;
          const rows: SpokenRow[] = pageOf({ session, ...part, to }, bytes);
          yield* rows;
          to = (rows.at(-1)?.depth ?? part.from) - 1;
        }
      }
    },

    attachment(session: number, seq: number, n: number): Attachment | undefined {
      const row = attachment.get(session, seq, n);
      if (!row) return undefined;
      const { mime_type: mimeType, file_name: fileName, bytes } = row;
      return { mimeType, ...(fileName !== null && { fileName }), bytes };
    },
  };
}
