/**
 * The sockets that are open, and how many there may be: of one user, of one address that speaks for
 * nobody, in their handshake, and in total. Whoever never finishes a handshake loses the place first.
 */

import type { SocketFilter } from './admin.ts';
import type { Connection } from './connection.ts';
import { CLOSES, type Close } from './protocol/close-codes.ts';
import type { TrustDecision } from './trust/judge.ts';

export interface SocketLimits {
  readonly maxSockets: number;
  readonly maxSocketsPerUser: number;
  readonly maxSocketsPerAddress: number;
  readonly maxPendingSockets: number;
}

export interface Sockets {
  /** Why a socket that was judged so finds no place; nothing if it does. May cut a pending one to make room. */
  refusal(decision: TrustDecision): Close | undefined;
  add(connection: Connection, decision: TrustDecision): void;
  /** It has asked to be let in, and holds a place of its own. */
  settled(connection: Connection): void;
  remove(connection: Connection, decision: TrustDecision): void;
  matching(filter: SocketFilter): readonly Connection[];
  readonly all: ReadonlyMap<Connection, TrustDecision>;
  /** Users with a socket. */
  users(): number;
}

export function createSockets(limits: () => SocketLimits): Sockets {
  const all = new Map<Connection, TrustDecision>();
  const byUser = createIndex();
  const byInstance = createIndex();
  const byAddress = createIndex();
  /** Who has not said a word yet, oldest first: for an admitted user, and for nobody. */
  const pending = new Set<Connection>();
  const strangers = new Set<Connection>();

  /**
   * A set keeps its order, so the first is the oldest. It is cut and not closed: a peer that means harm would
   * answer no close, and keep its descriptor.
   */
  function evictOldest(): boolean {
    for (const set of [strangers, pending]) {
      for (const connection of set) {
        connection.cut('pending_cut');
        set.delete(connection);
        return true;
      }
    }
    return false;
  }

  return {
    all,
    users: () => byUser.size(),

    refusal(decision) {
      const most = limits();
      if (decision.ok) {
        const own = byUser.of(decision.principal.userId).size;
        if (own >= most.maxSocketsPerUser) return CLOSES.tooManyOfUser;
      } else if (byAddress.of(decision.clientAddress).size >= most.maxSocketsPerAddress) {
        return CLOSES.tooManyOfAddress;
      }
      while (pending.size + strangers.size >= most.maxPendingSockets && evictOldest());
      if (all.size >= most.maxSockets && !evictOldest()) return CLOSES.tooManySockets;
      return undefined;
    },

    add(connection, decision) {
      all.set(connection, decision);
      if (decision.ok) {
        byUser.add(decision.principal.userId, connection);
        byInstance.add(decision.principal.instanceId, connection);
        pending.add(connection);
      } else {
        byAddress.add(decision.clientAddress, connection);
        strangers.add(connection);
      }
    },

    settled: (connection) => void pending.delete(connection),

    remove(connection, decision) {
      all.delete(connection);
      if (decision.ok) {
        byUser.remove(decision.principal.userId, connection);
        byInstance.remove(decision.principal.instanceId, connection);
        pending.delete(connection);
      } else {
        byAddress.remove(decision.clientAddress, connection);
        strangers.delete(connection);
      }
    },

    matching({ userId, instanceId }) {
      const ofUser = userId === undefined ? undefined : byUser.of(userId);
      const ofInstance = instanceId === undefined ? undefined : byInstance.of(instanceId);
      const [some, others] =
        (ofUser?.size ?? Number.POSITIVE_INFINITY) < (ofInstance?.size ?? Number.POSITIVE_INFINITY)
          ? [ofUser, ofInstance]
          : [ofInstance, ofUser];
      return [...(some ?? [])].filter((each) => others?.has(each) ?? true);
    },
  };
}

/** Sockets by a name, so that to find a user's costs the same among ten and among ten thousand. */
function createIndex() {
  const sets = new Map<string, Set<Connection>>();
  const none: ReadonlySet<Connection> = new Set();
  return {
    of: (name: string): ReadonlySet<Connection> => sets.get(name) ?? none,
    size: () => sets.size,
    add(name: string, connection: Connection): void {
      const set = sets.get(name);
      if (set) set.add(connection);
      else sets.set(name, new Set([connection]));
    },
    remove(name: string, connection: Connection): void {
      const set = sets.get(name);
      set?.delete(connection);
      if (set?.size === 0) sets.delete(name);
    },
  };
}
