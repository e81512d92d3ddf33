/**
 * Messages in bulk: copied into another session, or removed. Each call is a slice of bounded size.
 *
 * Between two slices anybody may delete what is theirs, and the numbers of messages and attachments that are gone are
 * given to others' at once. So nothing here returns such a number: a place in a session is that of the same message for
 * ever, as no two sessions ever have the same number.
 */

import type { Db } from './database.ts';
import { fitting, SLICE } from './slice.ts';
import type { Stretch } from './transcript-table.ts';

/** An attachment of a message by its place, and how long it is. */
export interface AttachmentPlace {
  branch: number;
  depth: number;
  n: number;
  bytes: number;
}

/** From one session to another. */
interface Route {
  session: number;
  target: number;
}

export type CopyTable = ReturnType<typeof createCopyTable>;

export function createCopyTable(db: Db) {
  // `octet_length` of a column is in its row's header: the content itself is not read.
  const sizes = db
    .prepare<[{ session: number; limit: number } & Stretch], number>(
      `SELECT octet_length(content) FROM messages
       WHERE session = +@session AND branch = +@branch AND depth BETWEEN +@from AND +@to
       ORDER BY depth LIMIT +@limit`,
    )
    .pluck();
  const copy = db.prepare<[Route & Stretch]>(
    `INSERT INTO messages (session, seq, branch, depth, role, state, content, timestamp, run_id,
       provider, model, stop_reason, usage, error_message, error_kind, label)
     SELECT @target, depth, 1, depth, role, state, content, timestamp, run_id, provider, model,
       stop_reason, usage, error_message, error_kind, label
     FROM messages
     WHERE session = +@session AND branch = +@branch AND depth BETWEEN +@from AND +@to`,
  );
  const attachments = db.prepare<[{ session: number } & Stretch], AttachmentPlace>(
    `SELECT m.branch, m.depth, a.n, octet_length(a.bytes) AS bytes FROM messages m
       CROSS JOIN attachments a ON a.message = m.id
     WHERE m.session = +@session AND m.branch = +@branch AND m.depth BETWEEN +@from AND +@to
     ORDER BY m.depth, a.n`,
  );
  const copyAttachment = db.prepare<[Route & AttachmentPlace]>(
    `INSERT INTO attachments (message, n, mime_type, file_name, bytes)
     SELECT t.id, a.n, a.mime_type, a.file_name, a.bytes FROM messages m
       CROSS JOIN attachments a ON a.message = m.id AND a.n = +@n
       CROSS JOIN messages t ON t.session = +@target AND t.seq = m.depth
     WHERE m.session = +@session AND m.branch = +@branch AND m.depth = +@depth`,
  );
  const oldest = db.prepare<[number, number], { seq: number; bytes: number }>(
    `SELECT seq, octet_length(content) AS bytes FROM messages
     WHERE session = +? ORDER BY seq LIMIT +?`,
  );
  const attached = db.prepare<[number, number, number], { id: number; bytes: number }>(
    `SELECT a.id, octet_length(a.bytes) AS bytes FROM messages m
       CROSS JOIN attachments a ON a.message = m.id
     WHERE m.session = +? AND m.seq <= +? LIMIT +?`,
  );
  const removeAttachment = db.prepare<[number]>('DELETE FROM attachments WHERE id = ?');
  const remove = db.prepare<[number, number]>(
    'DELETE FROM messages WHERE session = +? AND seq <= +?',
  );

  return {
    /**
     * Copies the first messages of a stretch of `session` to the same depths of the first branch of `target`. What
     * was copied, and its bytes.
     */
    copySome(session: number, part: Stretch, target: number): { part: Stretch; bytes: number } {
      const found = sizes.all({ ...part, session, limit: SLICE.rows });
      const { count, bytes } = fitting(found, SLICE.bytes, true);
      if (count === 0) throw new Error('A path leads over messages that are not there.');
      const first = { ...part, to: part.from + count - 1 };
      copy.run({ ...first, session, target });
      return { part: first, bytes };
    },

    /** The attachments of a stretch. */
    attachmentsOf: (session: number, part: Stretch): AttachmentPlace[] =>
      attachments.all({ ...part, session }),

    /** Copies an attachment to the copy of its message. */
    copyAttachment(session: number, place: AttachmentPlace, target: number): void {
      copyAttachment.run({ ...place, session, target });
    },

    /** Removes the first messages of a session, or attachments of theirs. False if it has no messages. */
    removeSome(session: number): boolean {
      const found = oldest.all(session, SLICE.rows);
      const some = fitting(found.map(bytesOf), SLICE.bytes, true);
      const last = found[some.count - 1];
      if (!last) return false;
      const files = attached.all(session, last.seq, SLICE.rows);
      const { count } = fitting(files.map(bytesOf), SLICE.bytes, true);
      for (const { id } of files.slice(0, count)) removeAttachment.run(id);
      if (files.length === 0) remove.run(session, last.seq);
      return true;
    },
  };
}

const bytesOf = ({ bytes }: { bytes: number }) => bytes;
