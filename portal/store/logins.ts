/** Sign-ins: each is a family of refresh tokens; and the tickets that start one without a password. */

import type { Db } from './database.ts';

/** A refresh token as it is known: of which family, and whether it was traded in. */
interface RefreshToken {
  readonly loginId: string;
  readonly userId: string;
  readonly expiresAt: number;
  readonly usedAt: number | null;
  readonly endedAt: number | null;
}

export function createLogins(db: Db) {
  const insertLogin = db.prepare<[string, string, number, number]>(
    'INSERT INTO logins (id, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)',
  );
  const alive = db.prepare<[string, string, number], { id: string; name: string }>(
    `SELECT u.id, u.name FROM logins l JOIN users u ON u.id = l.user_id
     WHERE l.id = +? AND l.user_id = +? AND l.ended_at IS NULL AND l.expires_at > +? AND u.enabled = 1`,
  );
  const owner = db.prepare<[string, number], { user_id: string }>(
    'SELECT user_id FROM logins WHERE id = ? AND ended_at IS NULL AND expires_at > ?',
  );
  const prolong = db.prepare<[number, string]>('UPDATE logins SET expires_at = ? WHERE id = ?');
  const end = db.prepare<[number, string]>(
    'UPDATE logins SET ended_at = ? WHERE id = ? AND ended_at IS NULL',
  );
  const endAll = db.prepare<[number, string]>(
    'UPDATE logins SET ended_at = ? WHERE user_id = ? AND ended_at IS NULL',
  );
  const insertRefresh = db.prepare<[Buffer, string, number]>(
    'INSERT INTO refresh_tokens (digest, login_id, expires_at) VALUES (?, ?, ?)',
  );
  const findRefresh = db.prepare<[Buffer], RefreshToken>(
    `SELECT r.login_id AS loginId, l.user_id AS userId, r.expires_at AS expiresAt,
       r.used_at AS usedAt, l.ended_at AS endedAt
     FROM refresh_tokens r JOIN logins l ON l.id = r.login_id WHERE r.digest = +?`,
  );
  const useRefresh = db.prepare<[number, Buffer]>(
    'UPDATE refresh_tokens SET used_at = ? WHERE digest = ? AND used_at IS NULL',
  );
  const insertTicket = db.prepare<[Buffer, string, number]>(
    'INSERT INTO tickets (digest, user_id, expires_at) VALUES (?, ?, ?)',
  );
  const useTicket = db.prepare<[number, Buffer, number], { user_id: string }>(
    `UPDATE tickets SET used_at = ? WHERE digest = ? AND used_at IS NULL AND expires_at > ?
     RETURNING user_id`,
  );
  const dropTickets = db.prepare<[string]>('DELETE FROM tickets WHERE user_id = ?');
  const forget = [
    'DELETE FROM refresh_tokens WHERE expires_at < ?',
    'DELETE FROM logins WHERE expires_at < ?',
    'DELETE FROM tickets WHERE expires_at < ?',
  ].map((sql) => db.prepare<[number]>(sql));
  const forgetUsed = db.prepare<[number]>('DELETE FROM refresh_tokens WHERE used_at < ?');

  return {
    start: (login: { id: string; userId: string; now: number; expiresAt: number }) =>
      void insertLogin.run(login.id, login.userId, login.now, login.expiresAt),
    /** The user of a login that has neither ended nor expired, unless the user is disabled. */
    userOf: (loginId: string, userId: string, now: number) => alive.get(loginId, userId, now),
    /** Whose login it is, if it has neither ended nor expired. */
    ownerOf: (loginId: string, now: number) => owner.get(loginId, now)?.user_id,
    prolong: (id: string, expiresAt: number) => void prolong.run(expiresAt, id),
    /** False if it had ended before. */
    end: (id: string, now: number) => end.run(now, id).changes > 0,
    /** Every login of the user, and the tickets that could start another. */
    endAll(userId: string, now: number): void {
      endAll.run(now, userId);
      dropTickets.run(userId);
    },
    addRefresh: (digest: Buffer, loginId: string, expiresAt: number) =>
      void insertRefresh.run(digest, loginId, expiresAt),
    findRefresh: (digest: Buffer) => findRefresh.get(digest),
    useRefresh: (digest: Buffer, now: number) => void useRefresh.run(now, digest),
    addTicket: (digest: Buffer, userId: string, expiresAt: number) =>
      void insertTicket.run(digest, userId, expiresAt),
    /** The ticket's user, once. */
    useTicket: (digest: Buffer, now: number) => useTicket.get(now, digest, now)?.user_id,
    /** Drops what expired before `expired`, and refresh tokens that were traded in before `used`. */
    forget({ expired, used }: { expired: number; used: number }): void {
      for (const statement of forget) statement.run(expired);
      forgetUsed.run(used);
    },
  };
}
