/** Agent instances, and who may use which. */

import type { Db } from './database.ts';

export interface Instance {
  readonly id: string;
  /** What people see. */
  readonly name: string;
  /** Where its gateway listens, as nginx's map takes it. */
  readonly backend: string;
  /** The model that a new conversation begins with. */
  readonly model?: string;
  /** What one might ask first. */
  readonly starters: readonly string[];
  readonly enabled: boolean;
}

export interface Grant {
  readonly userId: string;
  readonly instanceId: string;
}

interface Row {
  id: string;
  name: string;
  backend: string;
  model: string | null;
  starters: string;
  enabled: number;
}

export function createInstances(db: Db) {
  const columns = 'i.id, i.name, i.backend, i.model, i.starters, i.enabled';
  const find = db.prepare<[string], Row>(`SELECT ${columns} FROM instances i WHERE id = ?`);
  const list = db.prepare<[], Row>(`SELECT ${columns} FROM instances i ORDER BY id`);
  const granted = db.prepare<[string], Row>(
    `SELECT ${columns} FROM user_instances g JOIN instances i ON i.id = g.instance_id
     WHERE g.user_id = +? ORDER BY i.name, i.id`,
  );
  const grantedOne = db.prepare<[string, string], Row>(
    `SELECT ${columns} FROM user_instances g JOIN instances i ON i.id = g.instance_id
     WHERE g.user_id = +? AND g.instance_id = +?`,
  );
  const put = db.prepare<[string, string, string, string | null, string, number, number]>(
    `INSERT INTO instances (id, name, backend, model, starters, enabled, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, backend = excluded.backend,
       model = excluded.model, starters = excluded.starters, enabled = excluded.enabled`,
  );
  const remove = db.prepare<[string]>('DELETE FROM instances WHERE id = ?');
  const grant = db.prepare<[string, string, number]>(
    'INSERT OR IGNORE INTO user_instances (user_id, instance_id, created_at) VALUES (?, ?, ?)',
  );
  const revoke = db.prepare<[string, string]>(
    'DELETE FROM user_instances WHERE user_id = ? AND instance_id = ?',
  );
  const revokeAll = db.prepare<[string]>('DELETE FROM user_instances WHERE user_id = ?');
  const grants = db.prepare<[], Grant>(
    `SELECT u.id AS userId, g.instance_id AS instanceId FROM user_instances g
     JOIN users u ON u.id = g.user_id ORDER BY u.id, g.instance_id`,
  );

  return {
    find: (id: string) => toInstance(find.get(id)),
    list: () => list.all().flatMap((row) => toInstance(row) ?? []),
    /** What the user may use and is enabled. */
    ofUser: (userId: string) =>
      granted.all(userId).flatMap((row) => (row.enabled === 1 ? (toInstance(row) ?? []) : [])),
    /** The instance if the user has a right to it, enabled or not. */
    grantedTo: (userId: string, id: string) => toInstance(grantedOne.get(userId, id)),
    /** Adds it, or replaces what is known of it. */
    put: (instance: Instance, now: number) =>
      void put.run(
        instance.id,
        instance.name,
        instance.backend,
        instance.model ?? null,
        JSON.stringify(instance.starters),
        instance.enabled ? 1 : 0,
        now,
      ),
    /** With all rights to it. */
    remove: (id: string) => void remove.run(id),
    /** False if the right was there already. */
    grant: (grantee: Grant, now: number) =>
      grant.run(grantee.userId, grantee.instanceId, now).changes > 0,
    /** False if there was none. */
    revoke: ({ userId, instanceId }: Grant) => revoke.run(userId, instanceId).changes > 0,
    revokeAll: (userId: string) => void revokeAll.run(userId),
    grants: () => grants.all(),
  };
}

function toInstance(row: Row | undefined): Instance | undefined {
  if (!row) return undefined;
  const { model } = row;
  return {
    id: row.id,
    name: row.name,
    backend: row.backend,
    ...(model !== null && { model }),
    starters: readStarters(row.starters),
    enabled: row.enabled === 1,
  };
}

function readStarters(text: string): string[] {
  const value: unknown = JSON.parse(text);
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}
