/**
 * Which process of a gateway serves which principal. One of them owns all of a principal's sockets and
 * runs, so that what is kept in memory about them (lanes, queues, who hears what) is kept once.
 *
 * A lease means something only while its gateway lives, so it is in a file of its own beside the store, made anew at
 * each start and never synced: to take one costs microseconds and no disk.
 */

import { closeSync, openSync, rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { Principal } from '../principal.ts';

/** A process of this gateway, by a number that none before it had; `LEFT_OVER` is the gateway before. */
export type Owner = number;

export const LEFT_OVER: Owner = 0;

export interface Leases {
  /** Takes the principal, if nobody has it. True if it is this owner's now. @throws if the file fails. */
  take(principal: Principal): boolean;
  /** Lets go of what is this owner's. @throws if the file fails. */
  release(principals: readonly Principal[]): void;
  /** What owners who are dead have left. */
  of(owners: readonly Owner[]): Principal[];
  /** Ends the leases of the dead: those in `kept` are this owner's from now on, the rest is free. */
  inherit(owners: readonly Owner[], kept: readonly Principal[]): void;
  close(): void;
}

/** Two processes rarely meet here, and each is done in microseconds: longer than this, something is broken. */
const BUSY_TIMEOUT_MS = 500;

const LOG_PAGES = 100;

const FILES = ['', '-wal', '-shm'] as const;

export function leasesPath(storePath: string): string {
  return `${storePath}.leases`;
}

/** Makes the file of a new generation; `leftOver` is what nobody may serve before it was inherited. */
export function createLeases(path: string, leftOver: readonly Principal[]): void {
  removeLeases(path);
  // SQLite gives its log files the mode of the database.
  closeSync(openSync(path, 'a', 0o600));
  const db = open(path);
  try {
    db.exec(
      `CREATE TABLE leases (
         user_id TEXT NOT NULL, instance_id TEXT NOT NULL, owner INTEGER NOT NULL,
         PRIMARY KEY (user_id, instance_id)
       ) STRICT, WITHOUT ROWID`,
    );
    const leases = onDatabase(db, LEFT_OVER);
    for (const principal of leftOver) leases.take(principal);
  } finally {
    db.close();
  }
}

export function removeLeases(path: string): void {
  for (const part of FILES) rmSync(path + part, { force: true });
}

export function openLeases(path: string, owner: Owner): Leases {
  return onDatabase(open(path), owner);
}

function open(path: string): Database.Database {
  const db = new Database(path, { timeout: BUSY_TIMEOUT_MS });
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = OFF');
  // A short log that is used again and again: on a disk that is full there is room for it all the same.
  db.pragma(`wal_autocheckpoint = ${LOG_PAGES}`);
  return db;
}

function onDatabase(db: Database.Database, owner: Owner): Leases {
  const insert = db.prepare<[string, string, Owner]>(
    'INSERT INTO leases (user_id, instance_id, owner) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const ownerOf = db
    .prepare<[string, string], Owner>(
      'SELECT owner FROM leases WHERE user_id = ? AND instance_id = ?',
    )
    .pluck();
  const remove = db.prepare<[string, string, Owner]>(
    'DELETE FROM leases WHERE user_id = ? AND instance_id = ? AND owner = ?',
  );
  const leftBy = db.prepare<[Owner], { userId: string; instanceId: string }>(
    'SELECT user_id AS userId, instance_id AS instanceId FROM leases WHERE owner = ?',
  );
  const removeAll = db.prepare<[Owner]>('DELETE FROM leases WHERE owner = ?');

  function take({ userId, instanceId }: Principal): boolean {
    if (insert.run(userId, instanceId, owner).changes === 1) return true;
    return ownerOf.get(userId, instanceId) === owner;
  }

  return {
    take,

    release: db.transaction((principals: readonly Principal[]) => {
      for (const { userId, instanceId } of principals) remove.run(userId, instanceId, owner);
    }).immediate,

    of: (owners) => owners.flatMap((dead) => leftBy.all(dead)),

    inherit: db.transaction((owners: readonly Owner[], kept: readonly Principal[]) => {
      for (const dead of owners) removeAll.run(dead);
      for (const principal of kept) take(principal);
    }).immediate,

    close: () => void db.close(),
  };
}
