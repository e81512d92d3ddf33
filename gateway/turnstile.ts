/**
 * Requests of one socket beyond what a turn of the event loop allows wait, and sockets with waiting
 * requests take turns: a flood costs the socket that makes it, and nobody else.
 */

/** Whose requests these are. */
export interface Served {
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

/** Requests of one socket in one turn of the event loop, and of all that wait, in milliseconds. */
const PER_TURN = 8;
const TURN_MS = 8;

const MAX_WAITING = 5_000;

/** Until the next look when everybody who waits has used up the second, in milliseconds. */
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
  /** With waiting requests; whose turn is next stands first. */
  const lines = new Set<Line>();
  let turn = 1;
  let scheduled = false;

  function nextTurnSoon(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(nextTurn);
  }

  function nextTurn(): void {
    scheduled = false;
    turn++;
    if (lines.size === 0) return;
    if (serveWaiting()) return nextTurnSoon();
    scheduled = true;
    setTimeout(nextTurn, PAUSE_MS);
  }

  function isAllowed(line: Line): boolean {
    if (line.turn !== turn) {
      line.turn = turn;
      line.servedThisTurn = 0;
    }
    if (line.servedThisTurn >= PER_TURN) return false;
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

  /** One turn of everybody who waits. False if nobody could be served. */
  function serveWaiting(): boolean {
    const end = now() + TURN_MS;
    let served = false;
    for (const line of Array.from(lines)) {
      // Whoever was served goes to the end, so that a turn which is cut short goes on with the next.
      if (serveLine(line, end)) served = true;
      if (now() >= end) return true;
    }
    return served;
  }

  function serveLine(line: Line, end: number): boolean {
    let served = false;
    while (line.waiting !== undefined && now() < end && isAllowed(line)) {
      const text = line.waiting.shift();
      served = true;
      if (text !== undefined) {
        line.waitingBytes -= Buffer.byteLength(text);
        line.owner.serve(text);
      }
      if (line.waiting?.length === 0) forget(line);
    }
    if (served && lines.delete(line)) lines.add(line);
    return served;
  }

  function forget(line: Line): void {
    line.waiting = undefined;
    line.waitingBytes = 0;
    lines.delete(line);
  }

  return {
    admit(line, text, bytes) {
      nextTurnSoon();
      if (line.waiting === undefined && isAllowed(line)) {
        line.owner.serve(text);
        return true;
      }
      if (line.waiting === undefined) {
        line.waiting = [];
        lines.add(line);
      }
      line.waiting.push(text);
      line.waitingBytes += bytes;
      if (line.waiting.length === 1) return true;
      return line.waiting.length <= MAX_WAITING && line.waitingBytes <= maxWaitingBytes;
    },
    leave: forget,
  };
}
