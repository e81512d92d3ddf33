/** Tokens of one handshake each, and all that their verification has to know, in one read. */

import type { Db } from './database.ts';

export interface WebchatToken {
  readonly userId: string;
  readonly instanceId: string;
  readonly sessionKey: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly usedAt: number | null;
  /** 1 or 0, as of now and not as of when the token was made. */
  readonly loginAlive: 0 | 1;
  readonly userEnabled: 0 | 1;
  readonly instanceEnabled: 0 | 1;
  readonly granted: 0 | 1;
}

/** `db` need not wait for the disk: a token is worth nothing after a minute. */
export function createWebchatTokens(db: Db) {
  const insert = db.prepare<[Buffer, string, string, string, string, number]>(
    `INSERT INTO webchat_tokens (digest, login_id, user_id, instance_id, session_key, expires_at)
     VALUES (?, ?, ?, ?, ?, ?)`,
  );
  const find = db.prepare<[Buffer], WebchatToken>(
    `SELECT t.user_id AS userId, t.instance_id AS instanceId, t.session_key AS sessionKey,
       t.expires_at AS expiresAt, t.used_at AS usedAt,
       l.id IS NOT NULL AND l.ended_at IS NULL AS loginAlive,
       coalesce(u.enabled, 0) AS userEnabled,
       coalesce(i.enabled, 0) AS instanceEnabled,
       g.user_id IS NOT NULL AS granted
     FROM webchat_tokens t
     LEFT JOIN logins l ON l.id = t.login_id
     LEFT JOIN users u ON u.id = t.user_id AND u.removed_at IS NULL
     LEFT JOIN instances i ON i.id = t.instance_id
     LEFT JOIN user_instances g ON g.user_id = t.user_id AND g.instance_id = t.instance_id
     WHERE t.digest = +?`,
  );
  const use = db.prepare<[number, Buffer]>(
    'UPDATE webchat_tokens SET used_at = ? WHERE digest = ? AND used_at IS NULL',
  );
  const forget = db.prepare<[number]>('DELETE FROM webchat_tokens WHERE expires_at < ?');

  return {
    add: (
      digest: Buffer,
      token: {
        loginId: string;
        userId: string;
        instanceId: string;
        sessionKey: string;
        expiresAt: number;
      },
    ) =>
      void insert.run(
        digest,
        token.loginId,
        token.userId,
        token.instanceId,
        token.sessionKey,
        token.expiresAt,
      ),
    find: (digest: Buffer) => find.get(digest),
    /** False if somebody used it first. */
    use: (digest: Buffer, now: number) => use.run(now, digest).changes > 0,
    forget: (before: number) => void forget.run(before),
  };
}
