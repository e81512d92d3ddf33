/**
 * Whether a peer is still there. Each tick asks it with a ping; if nothing has come until the next one, it
 * is gone: so a peer that vanished without a word is noticed within two ticks.
 */

/** What is known of one peer. */
export interface Liveness {
  /** Something came since the last tick. */
  heard: boolean;
  /** When the ping was sent that nothing has answered yet (milliseconds). */
  askedAt: number;
  /** Bytes that waited for the network at the last tick. */
  buffered: number;
}

/** No peer is given less time for its answer than this, however short the ticks are, in milliseconds. */
const LEAST_MS = 1_000;

export function newLiveness(): Liveness {
  return { heard: true, askedAt: 0, buffered: 0 };
}

/** Called at each tick, before its ping. A peer that takes what waits for it answers when it gets there. */
export function isSilent(peer: Liveness, now: number, buffered: number): boolean {
  const answered = peer.heard || buffered < peer.buffered;
  peer.buffered = buffered;
  peer.heard = false;
  if (answered) peer.askedAt = now;
  return !answered && now - peer.askedAt >= LEAST_MS;
}
