/** People who may sign in. */

import type { Db } from './database.ts';

/** What X-User-ID may carry: ASCII only, since the gateway's HTTP parser drops other bytes. */
const USER_ID = /^[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,126}[A-Za-z0-9])?$/;

/** 1 to 128 of `A-Za-z0-9._@+-`, beginning and ending with a letter or digit. */
export function isUserId(text: string): boolean {
  return USER_ID.test(text);
}

export interface User {
  /** As it was first written; lookups do not mind the case. */
  readonly id: string;
  readonly name: string;
  readonly enabled: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

export interface UserRow extends User {
  /** Absent for somebody who signs in with tickets only. */
  readonly passwordHash?: string;
}

interface Row {
  id: string;
  name: string;
  password_hash: string | null;
  enabled: number;
  created_at: number;
}

export function createUsers(db: Db) {
  const columns = 'id, name, password_hash, enabled, created_at';
  const find = db.prepare<[string], Row>(
    `SELECT ${columns} FROM users WHERE id = ? AND removed_at IS NULL`,
  );
  const known = db.prepare<[string], { id: string }>('SELECT id FROM users WHERE id = ?');
  const list = db.prepare<[], Row>(
    `SELECT ${columns} FROM users WHERE removed_at IS NULL ORDER BY id`,
  );
  const insert = db.prepare<[string, string, string | null, number]>(
    'INSERT INTO users (id, name, password_hash, created_at) VALUES (?, ?, ?, ?)',
  );
  const setEnabled = db.prepare<[number, string]>('UPDATE users SET enabled = ? WHERE id = ?');
  const setPassword = db.prepare<[string, string]>(
    'UPDATE users SET password_hash = ? WHERE id = ?',
  );
  const remove = db.prepare<[number, string]>(
    `UPDATE users SET removed_at = ?, enabled = 0, password_hash = NULL, name = '' WHERE id = ?`,
  );

  return {
    find(id: string): UserRow | undefined {
      const row = find.get(id);
      return (
        row && {
          ...toUser(row),
          ...(row.password_hash !== null && { passwordHash: row.password_hash }),
        }
      );
    },
    /** Whether the id was ever given out, be it to somebody who is gone. */
    isTaken: (id: string) => known.get(id) !== undefined,
    list: () => list.all().map(toUser),
    add: (user: { id: string; name: string; passwordHash?: string; now: number }) =>
      void insert.run(user.id, user.name, user.passwordHash ?? null, user.now),
    setEnabled: (id: string, enabled: boolean) => void setEnabled.run(enabled ? 1 : 0, id),
    setPassword: (id: string, hash: string) => void setPassword.run(hash, id),
    remove: (id: string, now: number) => void remove.run(now, id),
  };
}

function toUser(row: Row): User {
  return { id: row.id, name: row.name, enabled: row.enabled === 1, createdAt: row.created_at };
}
