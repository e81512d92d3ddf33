/** The schema, as the steps that lead to it. A step that was released is never edited: add the next one. */

import type { Database } from 'better-sqlite3';

/**
 * Notes on the tables:
 *
 * - A removed user keeps a row, so that the id is never given out again: its sessions still exist
 *   in the gateway. Ids differ by more than case, since people mistype it.
 * - Of tokens and tickets only SHA-256 digests are stored: who reads the file can use none of them.
 * - A `login` is the family of refresh tokens that one sign-in leads to.
 * - `socket_closes` is what the gateways still have to be told, written in the transaction that takes
 *   the right away. One row a user and instance, so that a gateway that is away does not pile them up.
 *
 * All times are milliseconds since the epoch.
 */
const initial = `
CREATE TABLE users (
  id TEXT PRIMARY KEY COLLATE NOCASE,
  name TEXT NOT NULL,
  password_hash TEXT,
  enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
  created_at INTEGER NOT NULL,
  removed_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE instances (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  backend TEXT NOT NULL,
  model TEXT,
  starters TEXT NOT NULL DEFAULT '[]',
  enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE user_instances (
  user_id TEXT NOT NULL COLLATE NOCASE REFERENCES users ON DELETE CASCADE,
  instance_id TEXT NOT NULL REFERENCES instances ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, instance_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX user_instances_by_instance ON user_instances (instance_id);

CREATE TABLE logins (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL COLLATE NOCASE REFERENCES users ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX logins_by_user ON logins (user_id);
CREATE INDEX logins_by_expiry ON logins (expires_at);

CREATE TABLE refresh_tokens (
  digest BLOB PRIMARY KEY,
  login_id TEXT NOT NULL REFERENCES logins ON DELETE CASCADE,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_by_login ON refresh_tokens (login_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_used ON refresh_tokens (used_at) WHERE used_at IS NOT NULL;

CREATE TABLE tickets (
  digest BLOB PRIMARY KEY,
  user_id TEXT NOT NULL COLLATE NOCASE REFERENCES users ON DELETE CASCADE,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX tickets_by_user ON tickets (user_id);
CREATE INDEX tickets_by_expiry ON tickets (expires_at);

CREATE TABLE webchat_tokens (
  digest BLOB PRIMARY KEY,
  login_id TEXT NOT NULL REFERENCES logins ON DELETE CASCADE,
  user_id TEXT NOT NULL,
  instance_id TEXT NOT NULL,
  session_key TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX webchat_tokens_by_login ON webchat_tokens (login_id);
CREATE INDEX webchat_tokens_by_expiry ON webchat_tokens (expires_at);

CREATE TABLE socket_closes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id TEXT NOT NULL,
  instance_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (user_id, instance_id)
) STRICT;
`;

/** Step n leads from `user_version` n to n + 1. */
export const migrations: readonly string[] = [initial];

/** Written to `PRAGMA application_id`, so that a file tells whose it is: "OCPT" in ASCII. */
export const APPLICATION_ID = 0x4f435054;

/** Brings the schema up to the last step, each step in a transaction of its own. */
export function migrate(db: Database, steps: readonly string[] = migrations): void {
  const apply = db.transaction((step: string, version: number) => {
    // Read again under the lock: another process may have done this step meanwhile.
    if (db.pragma('user_version', { simple: true }) !== version) return;
    db.exec(step);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${version + 1}`);
  });
  for (const [version, step] of steps.entries()) apply.immediate(step, version);
}
