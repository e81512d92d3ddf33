/** Everything that a store holds of one user, for a person's right to their data. */

import type Database from 'better-sqlite3';
import { openReader } from './maintenance.ts';

/** One line of an export. Times are milliseconds since the epoch. */
export type ExportRecord =
  | { type: 'session'; instanceId: string; sessionKey: string; [field: string]: unknown }
  | {
      type: 'message';
      instanceId: string;
      sessionKey: string;
      seq: number;
      [field: string]: unknown;
    }
  | {
      type: 'attachment';
      instanceId: string;
      sessionKey: string;
      seq: number;
      base64: string;
      [field: string]: unknown;
    };

interface SessionRow {
  id: number;
  instanceId: string;
  sessionKey: string;
}

interface MessageRow {
  id: number;
  seq: number;
  content: string;
  usage: string | null;
}

const SESSIONS = `
SELECT id, instance_id AS instanceId, session_key AS sessionKey, session_id AS sessionId, agent_id AS agentId,
  label, derived_title AS title, model, created_at AS createdAt, updated_at AS updatedAt, archived_at AS archivedAt
FROM sessions WHERE user_id = ? AND user_id <> '' ORDER BY id`;

const MESSAGES = `
SELECT id, seq, role, state, content, timestamp, run_id AS runId, provider, model, stop_reason AS stopReason,
  usage, error_message AS errorMessage, error_kind AS errorKind, label
FROM messages WHERE session = ? ORDER BY seq`;

const ATTACHMENTS = `
SELECT n, mime_type AS mimeType, file_name AS fileName, bytes FROM attachments WHERE message = ? ORDER BY n`;

/**
 * Every session of the user in every instance, each followed by its messages on all branches, each of these by its
 * attachments. Read as it is asked for, from one snapshot, so that a gateway may serve meanwhile.
 *
 * What is being removed is nobody's and no part of it.
 *
 * @throws {StoreFileError} if the file is no session store.
 */
export function* exportUser(path: string, userId: string): Generator<ExportRecord> {
  const db = openReader(path);
  try {
    db.exec('BEGIN');
    const messages = db.prepare<[number], MessageRow>(MESSAGES);
    for (const session of db.prepare<[string], SessionRow>(SESSIONS).all(userId)) {
      const { id, instanceId, sessionKey, ...fields } = session;
      yield { type: 'session', instanceId, sessionKey, ...present(fields) };
      for (const message of messages.iterate(id)) yield* exportMessage(db, session, message);
    }
  } finally {
    db.close();
  }
}

function* exportMessage(
  db: Database.Database,
  { instanceId, sessionKey }: SessionRow,
  { id, seq, content, usage, ...fields }: MessageRow,
): Generator<ExportRecord> {
  const place = { instanceId, sessionKey, seq };
  const parsed: unknown = JSON.parse(content);
  yield {
    type: 'message',
    ...place,
    ...present(fields),
    content: parsed,
    ...(usage !== null && { usage: JSON.parse(usage) as unknown }),
  };
  const attachments = db.prepare<[number], { bytes: Buffer }>(ATTACHMENTS);
  for (const { bytes, ...file } of attachments.iterate(id)) {
    const base64 = bytes.toString('base64');
    yield { type: 'attachment', ...place, ...present(file), base64 };
  }
}

/** Without the fields that hold nothing. */
function present(row: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}
