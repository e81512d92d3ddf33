/** What the gateways still have to be told: whose sockets to close. */

import type { Db } from './database.ts';

/** A user's, an instance's, or (with both) a user's at an instance. At least one is there. */
export interface CloseTarget {
  readonly userId?: string;
  readonly instanceId?: string;
}

export interface SocketClose extends CloseTarget {
  /** Never the same for two requests, be they for the same target. */
  readonly id: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

interface Row {
  id: number;
  userId: string;
  instanceId: string;
  createdAt: number;
}

export function createSocketCloses(db: Db) {
  // A newer request for the same target takes the place of the older, under a new id.
  const request = db.prepare<[string, string, number]>(
    'INSERT OR REPLACE INTO socket_closes (user_id, instance_id, created_at) VALUES (?, ?, ?)',
  );
  const pending = db.prepare<[], Row>(
    `SELECT id, user_id AS userId, instance_id AS instanceId, created_at AS createdAt
     FROM socket_closes ORDER BY id LIMIT 1000`,
  );
  const done = db.prepare<[number]>('DELETE FROM socket_closes WHERE id = ?');

  return {
    request: ({ userId = '', instanceId = '' }: CloseTarget, now: number) =>
      void request.run(userId, instanceId, now),
    pending: (): SocketClose[] =>
      pending.all().map(({ userId, instanceId, ...row }) => ({
        ...row,
        ...(userId !== '' && { userId }),
        ...(instanceId !== '' && { instanceId }),
      })),
    done: (id: number) => void done.run(id),
  };
}
