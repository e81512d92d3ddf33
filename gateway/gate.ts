/** Who may come in: judges each upgrade, keeps what was judged, and judges again when the rules change. */

import type { SocketFilter } from './admin.ts';
import type { Config } from './config/schema.ts';
import type { Connection, Socket } from './connection.ts';
import type { Logger } from './log.ts';
import { CLOSES, type Close } from './protocol/close-codes.ts';
import type { HttpAnswer, SocketHandler } from './server.ts';
import {
  compileTrust,
  judgeUpgrade,
  retainFacts,
  type TrustDecision,
  type UpgradeFacts,
} from './trust/judge.ts';

type Make = (socket: Socket, decision: TrustDecision, kept: UpgradeFacts) => Connection;

export interface Gate {
  /** 403 for a peer that is no trusted proxy; what a trusted proxy forwards is told in the handshake. */
  admit(facts: UpgradeFacts, make: Make): HttpAnswer | ((socket: Socket) => SocketHandler);
  /** Closes live sockets that the configuration in force would refuse, or would give to somebody else. */
  rejudge(): void;
  closeAll(close: Close): void;
  /** Closes the sockets of a user, of an instance, or of both at once; how many those were. */
  closeMatching(filter: SocketFilter, close: Close): number;
  count(): { sockets: number; users: number };
}

export function createGate(config: () => Config, log: Logger): Gate {
  const open = new Map<Connection, TrustDecision>();
  const byUser = createIndex();
  const byInstance = createIndex();
  let policy = compileTrust(config().gateway);

  function refusedInLog(decision: TrustDecision & { ok: false }): void {
    log.warn({
      event: 'refused',
      rule: decision.rule,
      stage: decision.stage,
      client_address: decision.clientAddress,
      ...(decision.header !== undefined && { header: decision.header }),
      ...(decision.requestId !== undefined && { requestId: decision.requestId }),
    });
  }

  return {
    admit(facts, make) {
      const decision = judgeUpgrade(policy, facts);
      if (!decision.ok) refusedInLog(decision);
      if (!decision.ok && decision.stage === 'upgrade') {
        return { status: 403, body: { error: 'forbidden' } };
      }
      const kept = retainFacts(policy, facts);
      return (socket) => {
        const connection = make(socket, decision, kept);
        open.set(connection, decision);
        if (decision.ok) {
          byUser.add(decision.principal.userId, connection);
          byInstance.add(decision.principal.instanceId, connection);
        }
        return {
          opened: () => connection.opened(),
          received: (text, bytes) => connection.received(text, bytes),
          drained: () => connection.drained(),
          closed(code) {
            open.delete(connection);
            if (decision.ok) {
              byUser.remove(decision.principal.userId, connection);
              byInstance.remove(decision.principal.instanceId, connection);
            }
            connection.closed(code);
          },
        };
      };
    },

    rejudge() {
      policy = compileTrust(config().gateway);
      for (const [connection, before] of open) {
        // One that was refused is told so in its handshake; the next attempt is judged anew.
        if (!before.ok) continue;
        const decision = judgeUpgrade(policy, connection.facts);
        if (!decision.ok) refusedInLog(decision);
        const close = samePrincipal(before, decision)
          ? connection.reconsider()
          : CLOSES.trustRevoked;
        if (close) connection.close(close);
      }
    },

    closeAll(close) {
      for (const connection of open.keys()) connection.close(close);
    },

    closeMatching({ userId, instanceId }, close) {
      const ofUser = userId === undefined ? undefined : byUser.of(userId);
      const ofInstance = instanceId === undefined ? undefined : byInstance.of(instanceId);
      const [some, others] =
        (ofUser?.size ?? Number.POSITIVE_INFINITY) < (ofInstance?.size ?? Number.POSITIVE_INFINITY)
          ? [ofUser, ofInstance]
          : [ofInstance, ofUser];
      // To close a socket takes it out of the sets, so they are read before.
      const meant = [...(some ?? [])].filter((each) => others?.has(each) ?? true);
      for (const connection of meant) connection.close(close);
      return meant.length;
    },

    count: () => ({ sockets: open.size, users: byUser.size() }),
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

function samePrincipal(before: TrustDecision & { ok: true }, after: TrustDecision): boolean {
  return (
    after.ok &&
    before.principal.userId === after.principal.userId &&
    before.principal.instanceId === after.principal.instanceId &&
    before.sessionKey === after.sessionKey
  );
}
