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
  return new MessageBody(message, options);
}

type Reader = { take: TakePiece } & Omit<PromiseWithResolvers<void>, 'promise'>;

class MessageBody implements Body {
  readonly #message: IncomingMessage;
  readonly #turns: TurnBudget;
  readonly #broken: (error: Error) => Error;
  readonly #work: () => void;
  /** What waits: mostly nothing or one piece, for which no list is made. */
  #first: Buffer | undefined;
  #others: Buffer[] = NONE;
  #heldBytes = 0;
  #left: number;
  #ended = false;
  #failure: Error | undefined;
  #reader: Reader | undefined;
  /** Whether the work is on its way already, or the reader is not ready. */
  #called = false;

  constructor(message: IncomingMessage, { maxBytes, maxMs, turns, broken }: BodyOptions) {
    this.#message = message;
    this.#turns = turns;
    this.#broken = broken;
    this.#left = maxBytes;
    // Not written where it is assigned: V8 would make it among its old objects (see direct-flow.ts).
    const work = () => this.#handOn();
    this.#work = work;
    flowDirectly(message);
    message.on('data', (chunk: Buffer) => this.#arrived(chunk));
    message.on('end', () => this.#over());
    message.on('error', (error) => this.#broke(error));
    if (maxMs !== undefined) {
      const timer = setTimeout(() => this.#cut(), maxMs).unref();
      message.once('close', () => clearTimeout(timer));
    }
  }

  forEach(take: TakePiece): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#reader = { take, resolve, reject };
    this.#again();
    return promise;
  }

  leave(): void {
    this.#forget();
    if (this.#ended || this.#failure) return;
    this.#ended = true;
    drain(this.#message);
  }

  #arrived(chunk: Buffer): void {
    if (this.#ended) return;
    this.#heldBytes += chunk.byteLength;
    if (this.#first === undefined) this.#first = chunk;
    else if (this.#others === NONE) this.#others = [chunk];
    else this.#others.push(chunk);
    if (this.#heldBytes >= READ_AHEAD_BYTES) this.#message.pause();
    this.#call();
  }

  #over(): void {
    this.#ended = true;
    this.#call();
  }

  #broke(error: Error): void {
    if (!this.#ended) this.#failure = this.#broken(error);
    this.#call();
  }

  #cut(): void {
    if (this.#ended || this.#failure) return;
    this.#message.destroy();
    this.#over();
  }

  #call(): void {
    if (!this.#reader || this.#called) return;
    this.#called = true;
    this.#turns.run(this.#work);
  }

  #again(): void {
    this.#called = false;
    if (this.#heldBytes > 0 || this.#failure || this.#ended) this.#call();
  }

  #handOn(): void {
    const reader = this.#reader;
    if (!reader) return;
    if (this.#heldBytes === 0) return this.#release(this.#failure);
    let verdict: boolean | Promise<void>;
    try {
      verdict = reader.take(this.#takePiece());
    } catch (error) {
      return this.#release(error);
    }
    if (verdict === true) {
      this.leave();
      this.#release();
    } else if (verdict === false) this.#again();
    else {
      verdict.then(
        () => this.#again(),
        (error: unknown) => this.#release(error),
      );
    }
  }

  #takePiece(): Buffer {
    const first = this.#first ?? EMPTY;
    const piece = this.#others === NONE ? first : Buffer.concat([first, ...this.#others]);
    this.#left -= this.#heldBytes;
    this.#forget();
    if (this.#left < 0) this.leave();
    else if (this.#message.isPaused()) this.#message.resume();
    return piece;
  }

  #forget(): void {
    this.#first = undefined;
    this.#others = NONE;
    this.#heldBytes = 0;
  }

  /** The reader is done. */
  #release(error?: unknown): void {
    const last = this.#reader;
    this.#reader = undefined;
    if (error === undefined) last?.resolve();
    else last?.reject(error);
  }
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
