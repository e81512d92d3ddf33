/** Who may come in: judges each upgrade, keeps what was judged, and judges again when the rules change. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Principal } from '../agents/principal.ts';
import type { SocketFilter } from './admin.ts';
import type { Config } from './config/schema.ts';
import type { Connection, Socket } from './connection.ts';
import type { Logger } from './log.ts';
import { CLOSES, type Close } from './protocol/close-codes.ts';
import type { HttpAnswer, SocketHandler } from './server.ts';
import { createSockets, type Sockets } from './sockets.ts';
import {
  compileTrust,
  isProxy,
  judgeUpgrade,
  retainFacts,
  type TrustDecision,
  type UpgradeFacts,
} from './trust/judge.ts';

type Make = (socket: Socket, decision: TrustDecision, kept: UpgradeFacts) => Connection;

export interface Gate {
  /**
   * Whether a new connection may stay, of so many that have asked for nothing yet: beyond `maxPendingSockets` only one
   * of a trusted proxy may. So nobody who reaches the port past the proxy can keep it out.
   */
  keeps(waiting: number, peer: () => string): boolean;
  /** 403 for a peer that is no trusted proxy; what a trusted proxy forwards is told in the handshake. */
  admit(facts: UpgradeFacts, make: Make): HttpAnswer | ((socket: Socket) => SocketHandler);
  /** Closes live sockets that the configuration in force would refuse, or would give to somebody else. */
  rejudge(): void;
  /**
   * Closes all sockets, a part of them every few milliseconds, over at most `spreadMs`. Resolves when all are
   * closed. A hundred or fewer go at once.
   */
  closeAll(close: Close, spreadMs: number): Promise<void>;
  /** Milliseconds that `closeAll` would take for the sockets that are open now. */
  closingMs(spreadMs: number): number;
  /** Closes the sockets of a user, of an instance, or of both at once; how many those were. */
  closeMatching(filter: SocketFilter, close: Close): number;
  count(): { sockets: number; users: number };
  /** Whether a socket of this principal is open. */
  has(principal: Principal): boolean;
}

/** Between two parts of what `closeAll` closes, in milliseconds, and how many a part has at the least. */
const PART_MS = 100;
const PART_SOCKETS = 100;

/** Where several processes serve: which principals are this one's (`workers/ownership.ts`). */
export interface Claims {
  claim(principal: Principal): boolean;
  loosen(principal: Principal): void;
}

function toldOf({ error: { details, message } }: TrustDecision & { ok: false }): unknown {
  return details?.['authReason'] ?? details?.['reason'] ?? message;
}

export function createGate(config: () => Config, log: Logger, claims: Claims): Gate {
  const sockets = createSockets(() => config().gateway.limits);
  let policy = compileTrust(config().gateway);

  function refusedInLog(decision: TrustDecision & { ok: false }): void {
    log.warn({
      event: 'refused',
      rule: decision.rule,
      stage: decision.stage,
      client_address: decision.clientAddress,
      ...(decision.header !== undefined && { header: decision.header }),
      ...(decision.user !== undefined && { user: decision.user }),
      ...(decision.instance !== undefined && { instance: decision.instance }),
      // What a page shows, so that whoever reports it can be found here.
      ...(decision.stage === 'handshake' && { told: toldOf(decision) }),
      ...(decision.requestId !== undefined && { requestId: decision.requestId }),
    });
  }

  function loosen(decision: TrustDecision): void {
    if (decision.ok) claims.loosen(decision.principal);
  }

  function turnedAway(socket: Socket, decision: TrustDecision, close: Close): SocketHandler {
    log.warn({
      event: 'turned_away',
      reason: close.reason,
      client_address: decision.clientAddress,
      ...(decision.ok && { user: decision.principal.userId }),
      ...(decision.requestId !== undefined && { requestId: decision.requestId }),
    });
    return {
      opened: () => socket.end(close.code, close.reason),
      received() {},
      alive() {},
      drained() {},
      closed: () => loosen(decision),
    };
  }

  /** How many parts `closeAll` takes: as few as keep a part at its least, and no more than there is time for. */
  const parts = (spreadMs: number): number => {
    const most = Math.floor(spreadMs / PART_MS) + 1;
    return Math.max(1, Math.min(most, Math.ceil(sockets.all.size / PART_SOCKETS)));
  };

  return {
    keeps: (waiting, peer) =>
      waiting <= config().gateway.limits.maxPendingSockets || isProxy(policy, peer()),

    admit(facts, make) {
      const decision = judgeUpgrade(policy, facts);
      if (!decision.ok) refusedInLog(decision);
      if (!decision.ok && decision.stage === 'upgrade') {
        return { status: 403, body: { error: 'forbidden' } };
      }
      // The proxy asks the next process, and so finds the one that serves this principal's other tabs.
      if (decision.ok && !claims.claim(decision.principal)) {
        return { status: 503, body: { error: 'served by another worker' } };
      }
      const kept = retainFacts(policy, facts);
      return (socket) => {
        const full = sockets.refusal(decision);
        if (full) return turnedAway(socket, decision, full);
        return new Attached(make(socket, decision, kept), decision, sockets, claims);
      };
    },

    rejudge() {
      policy = compileTrust(config().gateway);
      for (const [connection, before] of sockets.all) {
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

    closingMs: (spreadMs) => (parts(spreadMs) - 1) * PART_MS,

    async closeAll(close, spreadMs) {
      const count = parts(spreadMs);
      const size = Math.ceil(sockets.all.size / count);
      for (let part = 1; part < count; part++) {
        // To close a socket takes it out of the map, so a part is read before.
        for (const connection of [...sockets.all.keys()].slice(0, size)) connection.close(close);
        await sleep(PART_MS);
      }
      for (const connection of sockets.all.keys()) connection.close(close);
    },

    closeMatching(filter, close) {
      // To close a socket takes it out of the sets: these were read before.
      const meant = sockets.matching(filter);
      for (const connection of meant) connection.close(close);
      return meant.length;
    },

    has: (principal) => sockets.matching(principal).length > 0,

    count: () => ({ sockets: sockets.all.size, users: sockets.users() }),
  };
}

/** A connection that has its place. A class, and not closures: ten thousand of them are alive at once. */
class Attached implements SocketHandler {
  readonly #connection: Connection;
  readonly #decision: TrustDecision;
  readonly #sockets: Sockets;
  readonly #claims: Claims;
  #isPending = true;

  constructor(connection: Connection, decision: TrustDecision, sockets: Sockets, claims: Claims) {
    this.#connection = connection;
    this.#decision = decision;
    this.#sockets = sockets;
    this.#claims = claims;
    sockets.add(connection, decision);
  }

  opened(): void {
    this.#connection.opened();
  }

  received(text: string | undefined, bytes: number): void {
    this.#connection.received(text, bytes);
    if (!this.#isPending || !this.#connection.hasAsked) return;
    this.#isPending = false;
    this.#sockets.settled(this.#connection);
  }

  alive(): void {
    this.#connection.alive();
  }

  drained(): void {
    this.#connection.drained();
  }

  closed(code: number): void {
    this.#sockets.remove(this.#connection, this.#decision);
    this.#connection.closed(code);
    if (this.#decision.ok) this.#claims.loosen(this.#decision.principal);
  }
}

function samePrincipal(before: TrustDecision & { ok: true }, after: TrustDecision): boolean {
  return (
    after.ok &&
    before.principal.userId === after.principal.userId &&
    before.principal.instanceId === after.principal.instanceId &&
    before.sessionKey === after.sessionKey
  );
}
