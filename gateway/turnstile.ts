/**
 * Requests, handshakes included, are served for a few milliseconds of each turn of the event loop, and so many of one
 * socket; those beyond wait. Users with waiting requests take turns, and so do the sockets of one user: a flood costs the
 * user who makes it, and everybody else one request of theirs.
 */

import type { Principal } from '../agents/principal.ts';

/** Whose requests these are. */
export interface Served {
  /** Stays the same from the first frame on. */
  readonly principal: Principal;
  serve(text: string): void;
}

/** What one socket has been served, and what waits. Made by `newLine`, kept by `Turnstile` only. */
export interface Line {
  readonly owner: Served;
  turn: number;
  servedThisTurn: number;
  /** Requests that it may have served at once; grows with time. */
  allowance: number;
  allowedAt: number;
  waiting: string[] | undefined;
  waitingBytes: number;
}

export interface Turnstile {
  /** Serves a request now, or when its time comes. False if too many wait. */
  admit(line: Line, text: string, bytes: number): boolean;
  /** What waits is dropped. */
  leave(line: Line): void;
}

export interface TurnstileOptions {
  /** Of one socket; 0 is no limit. Twice as many may come at once. */
  requestsPerSecond: () => number;
  /** Bytes of requests of one socket that may wait; one may always. */
  maxWaitingBytes: number;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/** Requests of one socket in one turn of the event loop. */
const PER_TURN = 8;

/**
 * Milliseconds of a turn after which no further request begins, whoever asks; what began runs to its end. All pages come
 * back at once after a restart, and runs are started, stored and streamed in the same turns.
 */
const TURN_MS = 4;

const MAX_WAITING = 5_000;

/** Until the next look at sockets that have used up their second, in milliseconds. */
const PAUSE_MS = 10;

export function newLine(owner: Served): Line {
  return {
    owner,
    turn: 0,
    servedThisTurn: 0,
    allowance: Number.POSITIVE_INFINITY,
    allowedAt: 0,
    waiting: undefined,
    waitingBytes: 0,
  };
}

export function createTurnstile(options: TurnstileOptions): Turnstile {
  const { requestsPerSecond, maxWaitingBytes, now = () => performance.now() } = options;
  /** Sockets with waiting requests, by user; whose turn is next stands first. */
  const users = new Map<string, Set<Line>>();
  /** Those that have used up their second stand apart until the next look. */
  const resting = new Set<Line>();
  let turn = 1;
  /** When the first request of this turn began. */
  let began: number | undefined;
  let isScheduled = false;
  let isPausing = false;

  function nextTurnSoon(): void {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(nextTurn);
  }

  function nextTurn(): void {
    isScheduled = false;
    turn++;
    began = undefined;
    if (users.size === 0) return;
    serveWaiting();
    nextTurnSoon();
  }

  /** Whether another request may begin in this turn. */
  function hasTime(): boolean {
    const at = now();
    began ??= at;
    return at - began < TURN_MS;
  }

  function hasHadTurn(line: Line): boolean {
    if (line.turn !== turn) {
      line.turn = turn;
      line.servedThisTurn = 0;
    }
    return line.servedThisTurn >= PER_TURN;
  }

  /** Takes one request out of what the socket may ask in this second. False if that is used up. */
  function spend(line: Line): boolean {
    const rate = requestsPerSecond();
    if (rate > 0) {
      const at = now();
      const earned = ((at - line.allowedAt) * rate) / 1000;
      line.allowance = Math.min(2 * rate, line.allowance + earned);
      line.allowedAt = at;
      if (line.allowance < 1) return false;
      line.allowance--;
    }
    line.servedThisTurn++;
    return true;
  }

  /** Ends: in a turn each socket is served so often, and rests when its second is used up. */
  function serveWaiting(): void {
    // Whoever was served goes to the end, where this loop meets them again.
    for (const [userId, lines] of users) {
      if (!hasTime()) return;
      const line = nextOf(lines);
      if (line === undefined) continue;
      lines.delete(line);
      lines.add(line);
      users.delete(userId);
      users.set(userId, lines);
      serveFirst(line);
    }
  }

  /** The first socket that may be served; others before it may have to rest. */
  function nextOf(lines: Set<Line>): Line | undefined {
    for (const line of lines) {
      if (hasHadTurn(line)) continue;
      if (spend(line)) return line;
      rest(line);
    }
    return undefined;
  }

  function serveFirst(line: Line): void {
    const text = line.waiting?.shift();
    if (text !== undefined) {
      line.waitingBytes -= Buffer.byteLength(text);
      line.owner.serve(text);
    }
    if (line.waiting?.length === 0) forget(line);
  }

  function rest(line: Line): void {
    dequeue(line);
    resting.add(line);
    if (isPausing) return;
    isPausing = true;
    setTimeout(wake, PAUSE_MS);
  }

  function wake(): void {
    isPausing = false;
    for (const line of resting) enqueue(line);
    resting.clear();
    nextTurnSoon();
  }

  function enqueue(line: Line): void {
    const { userId } = line.owner.principal;
    const lines = users.get(userId);
    if (lines) lines.add(line);
    else users.set(userId, new Set([line]));
  }

  function dequeue(line: Line): void {
    const { userId } = line.owner.principal;
    const lines = users.get(userId);
    lines?.delete(line);
    if (lines?.size === 0) users.delete(userId);
  }

  function forget(line: Line): void {
    if (line.waiting === undefined) return;
    line.waiting = undefined;
    line.waitingBytes = 0;
    resting.delete(line);
    dequeue(line);
  }

  return {
    admit(line, text, bytes) {
      nextTurnSoon();
      if (line.waiting === undefined) {
        if (hasTime() && !hasHadTurn(line) && spend(line)) {
          line.owner.serve(text);
          return true;
        }
        line.waiting = [];
        enqueue(line);
      }
      line.waiting.push(text);
      line.waitingBytes += bytes;
      if (line.waiting.length === 1) return true;
      return line.waiting.length <= MAX_WAITING && line.waitingBytes <= maxWaitingBytes;
    },
    leave: forget,
  };
}
