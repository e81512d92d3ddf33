/** The body of a response over node:http, pulled chunk by chunk within the turns that reading has. */

import type { IncomingMessage } from 'node:http';
import type { TurnBudget } from './turn-budget.ts';

/** How long, and how far, the rest of an answer is read so that its connection can be kept. */
const DRAIN_MS = 1_000;
const DRAIN_BYTES = 64 * 1024;

/** Bytes that may wait for a reader before the socket is paused. */
const READ_AHEAD_BYTES = 32 * 1024;

export interface BodyOptions {
  /** The body ends here for its reader, however long it goes on. */
  maxBytes: number;
  turns: TurnBudget;
  /** What the reader is told if the connection breaks. */
  broken: (error: Error) => Error;
}

type Result = IteratorResult<Buffer, undefined>;

/**
 * For one reader, one `next` at a time. What came before the connection broke is given out before the
 * error. `return` reads on to an end that is near, so that the connection can serve the next request.
 */
export function readBody(
  message: IncomingMessage,
  { maxBytes, turns, broken }: BodyOptions,
): AsyncIterableIterator<Buffer, undefined> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let left = maxBytes;
  let ended = false;
  let failure: Error | undefined;
  let waiting: { resolve(result: Result): void; reject(error: Error): void } | undefined;

  const stop = () => {
    ended = true;
    held = [];
    drain(message);
  };
  const settle = () => {
    const reader = waiting;
    waiting = undefined;
    if (!reader) return;
    if (heldBytes > 0) {
      const value = held.length === 1 ? held[0] : Buffer.concat(held);
      held = [];
      left -= heldBytes;
      heldBytes = 0;
      if (left < 0) stop();
      else if (message.isPaused()) message.resume();
      reader.resolve({ done: false, value: value ?? Buffer.alloc(0) });
    } else if (failure) reader.reject(failure);
    else reader.resolve({ done: true, value: undefined });
  };
  const over = () => failure !== undefined || ended;
  /** Whether `settle` is on its way already. */
  let called = false;
  const call = () => {
    if (!waiting || called) return;
    called = true;
    turns.run(() => {
      called = false;
      settle();
    });
  };

  message.on('data', (chunk: Buffer) => {
    if (ended) return;
    held.push(chunk);
    heldBytes += chunk.byteLength;
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

  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        if (heldBytes > 0 || over()) call();
      });
    },
    async return() {
      if (!over()) stop();
      heldBytes = 0;
      call();
      return { done: true, value: undefined };
    },
  };
}

/** Reads on to an end that is near, so that the connection can serve the next request. */
function drain(message: IncomingMessage): void {
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
