/** The schema, as the steps that lead to it. A step that was released is never edited: add the next one. */

import type { Database } from 'better-sqlite3';

/**
 * Notes on the tables:
 *
 * - `sessions.id` is AUTOINCREMENT so that the number of a deleted session never comes to mean
 *   somebody else's: a reader that still holds it finds nothing.
 * - `sessions.(branch, depth)` is the active leaf. Depth 0 stands for "nothing yet"; else that
 *   message exists on that branch. `session_id` repeats that of its branch.
 * - `branches` starts after the message at `fork_depth` of `parent_branch`, or at nothing.
 * - `sessions_by_update` covers the usual listing, its count and its OFFSET without touching rows.
 * - `runs_active` holds only runs that have not ended, so that finding them costs the same in a
 *   store of any size.
 */
const initial = `
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id TEXT NOT NULL,
  instance_id TEXT NOT NULL,
  session_key TEXT NOT NULL,
  session_id TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  label TEXT,
  derived_title TEXT,
  model TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  archived_at INTEGER,
  pinned_at INTEGER,
  last_read_at INTEGER,
  last_answer_at INTEGER,
  input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  cache_read_tokens INTEGER NOT NULL DEFAULT 0,
  cache_write_tokens INTEGER NOT NULL DEFAULT 0,
  context_tokens INTEGER NOT NULL DEFAULT 0,
  branch INTEGER NOT NULL DEFAULT 1,
  depth INTEGER NOT NULL DEFAULT 0,
  next_seq INTEGER NOT NULL DEFAULT 1,
  UNIQUE (user_id, instance_id, session_key)
) STRICT;

CREATE INDEX sessions_by_update
  ON sessions (user_id, instance_id, updated_at DESC, id DESC, archived_at);

CREATE TABLE branches (
  session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
  branch INTEGER NOT NULL,
  parent_branch INTEGER,
  fork_depth INTEGER NOT NULL,
  session_id TEXT NOT NULL,
  PRIMARY KEY (session, branch)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  branch INTEGER NOT NULL,
  depth INTEGER NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
  state TEXT NOT NULL
    CHECK (state IN ('pending', 'complete', 'aborted', 'error', 'interrupted')),
  content TEXT NOT NULL,
  timestamp INTEGER NOT NULL,
  run_id TEXT,
  provider TEXT,
  model TEXT,
  stop_reason TEXT,
  usage TEXT,
  error_message TEXT,
  label TEXT,
  UNIQUE (session, seq),
  UNIQUE (session, branch, depth)
) STRICT;

CREATE TABLE answer_chunks (
  message INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
  n INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (message, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE attachments (
  id INTEGER PRIMARY KEY,
  message INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
  n INTEGER NOT NULL,
  mime_type TEXT NOT NULL,
  file_name TEXT,
  bytes BLOB NOT NULL,
  UNIQUE (message, n)
) STRICT;

CREATE TABLE runs (
  session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
  run_id TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  state TEXT NOT NULL
    CHECK (state IN ('queued', 'running', 'final', 'aborted', 'error', 'interrupted')),
  options TEXT NOT NULL,
  message_seq INTEGER NOT NULL,
  answer_seq INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  error_message TEXT,
  PRIMARY KEY (session, run_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX runs_active ON runs (session, message_seq) WHERE state IN ('queued', 'running');
`;

/** When the user last said something: edits and answers do not move a session in a list by it. */
const interactions = `
ALTER TABLE sessions ADD COLUMN interacted_at INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET interacted_at = coalesce(
  (SELECT timestamp FROM messages
    WHERE session = sessions.id AND role = 'user' ORDER BY seq DESC LIMIT 1),
  created_at);
`;

/**
 * What a session holds, in bytes of messages and attachments, and the sums of users. The triggers keep the sums
 * right whatever moves a session: a send, its removal, a copy that gets its owner.
 */
const storedBytes = `
ALTER TABLE sessions ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET bytes =
  coalesce((SELECT sum(octet_length(content)) FROM messages WHERE session = sessions.id), 0) +
  coalesce((SELECT sum(octet_length(a.bytes)) FROM messages m JOIN attachments a ON a.message = m.id
    WHERE m.session = sessions.id), 0);

CREATE TABLE stored_bytes (
  user_id TEXT NOT NULL PRIMARY KEY,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO stored_bytes
  SELECT user_id, sum(bytes) FROM sessions WHERE user_id <> '' GROUP BY user_id HAVING sum(bytes) > 0;

CREATE TRIGGER sessions_moved AFTER UPDATE OF bytes, user_id ON sessions
WHEN old.bytes <> new.bytes OR old.user_id <> new.user_id
BEGIN
  UPDATE stored_bytes SET bytes = bytes - old.bytes WHERE user_id = old.user_id;
  INSERT INTO stored_bytes SELECT new.user_id, new.bytes WHERE new.user_id <> ''
    ON CONFLICT (user_id) DO UPDATE SET bytes = bytes + excluded.bytes;
  DELETE FROM stored_bytes WHERE user_id = old.user_id AND bytes <= 0;
END;
CREATE TRIGGER sessions_removed AFTER DELETE ON sessions WHEN old.user_id <> ''
BEGIN
  UPDATE stored_bytes SET bytes = bytes - old.bytes WHERE user_id = old.user_id;
  DELETE FROM stored_bytes WHERE user_id = old.user_id AND bytes <= 0;
END;
`;

/**
 * How many sessions each principal has, and how many of them are archived, since a list says how many there are.
 * The triggers keep the numbers right whatever moves a session: its creation, a copy that gets its owner, a mark,
 * its removal.
 */
const sessionCounts = `
CREATE TABLE session_counts (
  user_id TEXT NOT NULL,
  instance_id TEXT NOT NULL,
  archived INTEGER NOT NULL,
  sessions INTEGER NOT NULL,
  PRIMARY KEY (user_id, instance_id, archived)
) STRICT, WITHOUT ROWID;
INSERT INTO session_counts
  SELECT user_id, instance_id, archived_at IS NOT NULL, count(*) FROM sessions
  WHERE user_id <> '' GROUP BY 1, 2, 3;

CREATE TRIGGER sessions_count_new AFTER INSERT ON sessions WHEN new.user_id <> ''
BEGIN
  INSERT INTO session_counts VALUES (new.user_id, new.instance_id, new.archived_at IS NOT NULL, 1)
    ON CONFLICT DO UPDATE SET sessions = sessions + 1;
END;
CREATE TRIGGER sessions_count_moved AFTER UPDATE OF user_id, instance_id, archived_at ON sessions
WHEN old.user_id <> new.user_id OR old.instance_id <> new.instance_id
  OR (old.archived_at IS NULL) <> (new.archived_at IS NULL)
BEGIN
  UPDATE session_counts SET sessions = sessions - 1
    WHERE user_id = old.user_id AND instance_id = old.instance_id
      AND archived = (old.archived_at IS NOT NULL);
  INSERT INTO session_counts
    SELECT new.user_id, new.instance_id, new.archived_at IS NOT NULL, 1 WHERE new.user_id <> ''
    ON CONFLICT DO UPDATE SET sessions = sessions + 1;
  DELETE FROM session_counts
    WHERE user_id = old.user_id AND instance_id = old.instance_id AND sessions <= 0;
END;
CREATE TRIGGER sessions_count_removed AFTER DELETE ON sessions WHEN old.user_id <> ''
BEGIN
  UPDATE session_counts SET sessions = sessions - 1
    WHERE user_id = old.user_id AND instance_id = old.instance_id
      AND archived = (old.archived_at IS NOT NULL);
  DELETE FROM session_counts
    WHERE user_id = old.user_id AND instance_id = old.instance_id AND sessions <= 0;
END;
`;

/**
 * Pieces in the order of their coming: what two hundred answers stream in a moment lies side by side, where each
 * answer's own place would be a page of its own to write.
 */
const chunksInOrder = `
ALTER TABLE answer_chunks RENAME TO old_chunks;
CREATE TABLE answer_chunks (
  id INTEGER PRIMARY KEY,
  message INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
  text TEXT NOT NULL
) STRICT;
INSERT INTO answer_chunks (message, text) SELECT message, text FROM old_chunks ORDER BY message, n;
CREATE INDEX answer_chunks_by_message ON answer_chunks (message);
DROP TABLE old_chunks;
`;

/** What kind of failure an answer ended in, so that it is told in the same words later as when it came. */
const errorKinds = `
ALTER TABLE messages ADD COLUMN error_kind TEXT;
`;

/** Step n leads from `user_version` n to n + 1. */
export const migrations: readonly string[] = [
  initial,
  interactions,
  storedBytes,
  sessionCounts,
  chunksInOrder,
  errorKinds,
];

/** Written to `PRAGMA application_id`, so that a file tells whose it is: "OCGW" in ASCII. */
export const APPLICATION_ID = 0x4f434757;

/**
 * Brings the schema up to the last step, each step in a transaction of its own: a step that fails
 * leaves the file as the one before it did.
 */
export function migrate(db: Database, steps: readonly string[] = migrations): void {
  const apply = db.transaction((step: string, version: number) => {
    // Read again under the lock: another process may have done this step meanwhile.
    if (db.pragma('user_version', { simple: true }) !== version) return;
    db.exec(step);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${version + 1}`);
  });
  const reached = Number(db.pragma('user_version', { simple: true }));
  steps.forEach((step, version) => {
    if (version >= reached) apply.immediate(step, version);
  });
}
