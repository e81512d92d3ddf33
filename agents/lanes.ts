/**
 * One lane per session that has a run under way or waiting. Lanes hang below their principal, so a
 * lookup that starts from one principal cannot arrive at another's session.
 */

import type { Principal } from './principal.ts';
import type { LiveRun } from './run.ts';
import type { AcceptedTurn } from './sessions/store.ts';

export type SendResult = AcceptedTurn | { outcome: 'refused'; reason: 'queue_full' | 'draining' };

export interface Lane {
  readonly principal: Principal;
  readonly key: string;
  active: LiveRun | undefined;
  readonly queue: LiveRun[];
  /** Sends from their arrival on; each settles when its run stands in the queue, or never will. */
  readonly accepting: Set<Promise<SendResult>>;
  /** How many of them are being written to the store. */
  storing: number;
  /** While something has the session for itself, the last one that came: settles, well, when that is done. */
  exclusive: Promise<void> | undefined;
}

export interface Lanes {
  open(principal: Principal, key: string): Lane;
  find(principal: Principal, key: string): Lane | undefined;
  findRun(principal: Principal, runId: string): LiveRun | undefined;
  /** Whether the principal has any. */
  has(principal: Principal): boolean;
  /** All of a user, in all instances. */
  ofUser(userId: string): Lane[];
  /** Forgets a lane that holds nothing. */
  release(lane: Lane): void;
}

export function createLanes(): Lanes {
  const users = new Map<string, Map<string, Map<string, Lane>>>();

  const sessionsOf = (principal: Principal) =>
    users.get(principal.userId)?.get(principal.instanceId);

  return {
    open(principal, key) {
      const instances = ensure(users, principal.userId);
      const sessions = ensure(instances, principal.instanceId);
      let lane = sessions.get(key);
      if (!lane) {
        lane = {
          principal,
          key,
          active: undefined,
          queue: [],
          accepting: new Set(),
          storing: 0,
          exclusive: undefined,
        };
        sessions.set(key, lane);
      }
      return lane;
    },

    find: (principal, key) => sessionsOf(principal)?.get(key),

    findRun(principal, runId) {
      for (const lane of sessionsOf(principal)?.values() ?? []) {
        if (lane.active?.record.runId === runId) return lane.active;
        const queued = lane.queue.find((run) => run.record.runId === runId);
        if (queued) return queued;
      }
      return undefined;
    },

    has: (principal) => sessionsOf(principal) !== undefined,

    ofUser: (userId) =>
      [...(users.get(userId)?.values() ?? [])].flatMap((sessions) => [...sessions.values()]),

    release(lane) {
      if (lane.active || lane.queue.length > 0) return;
      if (lane.accepting.size > 0 || lane.exclusive) return;
      const { userId, instanceId } = lane.principal;
      const instances = users.get(userId);
      const sessions = instances?.get(instanceId);
      if (sessions?.get(lane.key) !== lane) return;
      sessions.delete(lane.key);
      if (sessions.size === 0) instances?.delete(instanceId);
      if (instances?.size === 0) users.delete(userId);
    },
  };
}

function ensure<K, L, V>(map: Map<K, Map<L, V>>, key: K): Map<L, V> {
  let inner = map.get(key);
  if (!inner) {
    inner = new Map();
    map.set(key, inner);
  }
  return inner;
}
