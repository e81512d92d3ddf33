/** Messages in bulk: copied into another session, or removed. Each call is a slice of bounded size. */

import type { Db } from './database.ts';
import type { Stretch } from './transcript-table.ts';

/** An attachment to copy, and the message that gets it. */
export interface AttachmentCopy extends StoredFile {
  message: number;
}

/** An attachment by its number, and how long it is. */
export interface StoredFile {
  id: number;
  bytes: number;
}

/** Bytes of attachments that one slice touches: a few milliseconds. */
const SLICE_BYTES = 1024 * 1024;

/** In groups of few bytes each; a large one is a group of its own. */
export function inSlices<T extends StoredFile>(files: readonly T[]): T[][] {
  const slices: T[][] = [];
  let room = 0;
  for (const file of files) {
    room -= file.bytes;
    if (room < 0 || slices.length === 0) {
      slices.push([]);
      room = SLICE_BYTES - file.bytes;
    }
    slices.at(-1)?.push(file);
  }
  return slices;
}

export type CopyTable = ReturnType<typeof createCopyTable>;

export function createCopyTable(db: Db) {
  const copy = db.prepare<[{ session: number; target: number } & Stretch]>(
    `INSERT INTO messages (session, seq, branch, depth, role, state, content, timestamp, run_id,
       provider, model, stop_reason, usage, error_message, error_kind, label)
     SELECT @target, depth, 1, depth, role, state, content, timestamp, run_id, provider, model,
       stop_reason, usage, error_message, error_kind, label
     FROM messages
     WHERE session = +@session AND branch = +@branch AND depth BETWEEN +@from AND +@to`,
  );
  const attachments = db.prepare<[{ session: number; target: number } & Stretch], AttachmentCopy>(
    `SELECT a.id, length(a.bytes) AS bytes, t.id AS message FROM messages m
       CROSS JOIN attachments a ON a.message = m.id
       CROSS JOIN messages t ON t.session = +@target AND t.seq = m.depth
     WHERE m.session = +@session AND m.branch = +@branch AND m.depth BETWEEN +@from AND +@to
     ORDER BY m.depth, a.n`,
  );
  const bytes = db
    .prepare<[{ target: number } & Stretch], number>(
      `SELECT coalesce(sum(octet_length(content)), 0) FROM messages
       WHERE session = +@target AND branch = 1 AND depth BETWEEN +@from AND +@to`,
    )
    .pluck();
  const copyAttachment = db.prepare<[Pick<AttachmentCopy, 'id' | 'message'>]>(
    `INSERT INTO attachments (message, n, mime_type, file_name, bytes)
     SELECT @message, n, mime_type, file_name, bytes FROM attachments WHERE id = @id`,
  );
  const oldest = db
    .prepare<[number, number], number>('SELECT id FROM messages WHERE session = ? LIMIT +?')
    .pluck();
  const attached = db.prepare<[number], StoredFile>(
    'SELECT id, length(bytes) AS bytes FROM attachments WHERE message = ?',
  );
  const attachedBytes = db
    .prepare<[number], number>(
      `SELECT coalesce(sum(length(a.bytes)), 0) FROM messages m
         CROSS JOIN attachments a ON a.message = m.id WHERE m.session = +?`,
    )
    .pluck();
  const removeAttachment = db.prepare<[number]>('DELETE FROM attachments WHERE id = ?');
  const remove = db.prepare<[number]>('DELETE FROM messages WHERE id = ?');

  return {
    /** Copies a stretch of `session` to the same depths of the first branch of `target`. */
    copy(session: number, part: Stretch, target: number): void {
      copy.run({ ...part, session, target });
    },

    /** Bytes of the messages of a stretch that was copied to `target`. */
    bytesOf: (part: Stretch, target: number): number => bytes.get({ ...part, target }) ?? 0,

    /** The attachments of a stretch that was copied to `target`. */
    attachmentsOf: (session: number, part: Stretch, target: number): AttachmentCopy[] =>
      attachments.all({ ...part, session, target }),

    copyAttachment(one: AttachmentCopy): void {
      copyAttachment.run({ id: one.id, message: one.message });
    },

    /** Some messages of a session, at most `limit`. */
    someOf: (session: number, limit: number): number[] => oldest.all(session, limit),

    /** Costs as much as the session has messages. */
    attachedBytes: (session: number): number => attachedBytes.get(session) ?? 0,

    attachmentsAt: (message: number): StoredFile[] => attached.all(message),

    removeAttachment(id: number): void {
      removeAttachment.run(id);
    },

    remove(message: number): void {
      remove.run(message);
    },
  };
}
