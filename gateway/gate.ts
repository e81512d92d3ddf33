/** Who may come in: judges each upgrade, keeps what was judged, and judges again when the rules change. */

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
}

export function createGate(config: () => Config, log: Logger): Gate {
  const open = new Map<Connection, TrustDecision>();
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
        return {
          opened: () => connection.opened(),
          received: (text, bytes) => connection.received(text, bytes),
          drained: () => connection.drained(),
          closed(code) {
            open.delete(connection);
            connection.closed(code);
          },
        };
      };
    },

    rejudge() {
      policy = compileTrust(config().gateway);
      for (const [connection, before] of open) {
        const decision = judgeUpgrade(policy, connection.facts);
        if (!decision.ok && before.ok) refusedInLog(decision);
        if (!samePrincipal(before, decision) || !connection.reconsider()) {
          connection.close(CLOSES.trustRevoked);
        }
      }
    },

    closeAll(close) {
      for (const connection of open.keys()) connection.close(close);
    },
  };
}

function samePrincipal(before: TrustDecision, after: TrustDecision): boolean {
  if (!before.ok || !after.ok) return before.ok === after.ok;
  return (
    before.principal.userId === after.principal.userId &&
    before.principal.instanceId === after.principal.instanceId &&
    before.sessionKey === after.sessionKey
  );
}
