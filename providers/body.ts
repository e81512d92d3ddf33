/** The body of a response over node:http, handed on piece by piece within the turns that reading has. */

import type { IncomingMessage } from 'node:http';
import { flowDirectly } from './direct-flow.ts';
import type { TurnBudget } from './turn-budget.ts';

/** How long, and how far, the rest of an answer is read so that its connection can be kept. */
const DRAIN_MS = 1_000;
const DRAIN_BYTES = 64 * 1024;

/** Bytes that may wait for a reader before the socket is paused. */
const READ_AHEAD_BYTES = 32 * 1024;

const EMPTY = Buffer.alloc(0);
const NONE: Buffer[] = [];

export interface BodyOptions {
  /** The body ends here for its reader, however long it goes on. */
  maxBytes: number;
  /** A body that has not ended by then ends with what has come, and its connection is closed. Absent: it may take any time. */
  maxMs?: number;
  turns: TurnBudget;
  /** What the reader is told if the connection breaks. */
  broken: (error: Error) => Error;
}

/** Takes a piece. True: that was enough. A promise: nothing more is handed on before it is kept. */
export type TakePiece = (piece: Buffer) => boolean | Promise<void>;

export interface Body {
  /**
   * Hands on what comes, and what has come, for one reader. Resolves at the end, or when that was enough: then it
   * reads on to an end that is near, so that the connection can serve the next request. Rejects if the connection
   * breaks, behind what came before, and with what `take` throws; then the rest is the caller's to close.
   */
  forEach(take: TakePiece): Promise<void>;
  /** Nobody wants the rest. */
  leave(): void;
}

export function openBody(message: IncomingMessage, options: BodyOptions): Body {
  const { turns, broken } = options;
  /** What waits: mostly nothing or one piece, for which no list is made. */
  let first: Buffer | undefined;
  let others: Buffer[] = NONE;
  let heldBytes = 0;
  let left = options.maxBytes;
  let ended = false;
  let failure: Error | undefined;
  let reader: ({ take: TakePiece } & Omit<PromiseWithResolvers<void>, 'promise'>) | undefined;
  /** Whether `handOn` is on its way already, or the reader is not ready. */
  let called = false;

  const call = () => {
    if (!reader || called) return;
    called = true;
    turns.run(handOn);
  };
  const again = () => {
    called = false;
    if (heldBytes > 0 || failure || ended) call();
  };
  const over = (error?: unknown) => {
    const last = reader;
    reader = undefined;
    if (error === undefined) last?.resolve();
    else last?.reject(error);
  };
  const forget = () => {
    first = undefined;
    others = NONE;
    heldBytes = 0;
  };
  const hold = (chunk: Buffer) => {
    heldBytes += chunk.byteLength;
    if (first === undefined) first = chunk;
    else if (others === NONE) others = [chunk];
    else others.push(chunk);
  };
  const leave = () => {
    forget();
    if (ended || failure) return;
    ended = true;
    drain(message);
  };
  const cut = () => {
    if (ended || failure) return;
    ended = true;
    message.destroy();
    call();
  };
  const takePiece = (): Buffer => {
    const piece = others === NONE ? (first ?? EMPTY) : Buffer.concat([first ?? EMPTY, ...others]);
    left -= heldBytes;
    forget();
    if (left < 0) leave();
    else if (message.isPaused()) message.resume();
    return piece;
  };
  const handOn = () => {
    if (!reader) return;
    if (heldBytes === 0) return over(failure);
    let verdict: boolean | Promise<void>;
    try {
      verdict = reader.take(takePiece());
    } catch (error) {
      return over(error);
    }
    if (verdict === true) {
      leave();
      over();
    } else if (verdict === false) again();
    else verdict.then(again, over);
  };

  flowDirectly(message);
  message.on('data', (chunk: Buffer) => {
    if (ended) return;
    hold(chunk);
    if (heldBytes >= READ_AHEAD_BYTES) message.pause();
    call();
  });
  message.on('end', () => {
    ended = true;
    call();
  });
  message.on('error', (error) => {
    if (!ended) failure = broken(error);
    call();
  });
  if (options.maxMs !== undefined) {
    const timer = setTimeout(cut, options.maxMs).unref();
    message.once('close', () => clearTimeout(timer));
  }

  return {
    forEach(take) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      reader = { take, resolve, reject };
      again();
      return promise;
    },
    leave,
  };
}

/** Reads on to an end that is near, so that the connection can serve the next request. */
export function drain(message: IncomingMessage): void {
  if (message.readableEnded || message.destroyed) return;
  let left = DRAIN_BYTES;
  const giveUp = () => void message.destroy();
  const timer = setTimeout(giveUp, DRAIN_MS).unref();
  message.on('data', (chunk: Buffer) => {
    left -= chunk.byteLength;
    if (left < 0) giveUp();
  });
  message.once('close', () => clearTimeout(timer));
  message.resume();
}
