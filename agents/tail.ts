/**
 * The newest of what a model says, kept as bytes until somebody wants it as text. A string for each token would live
 * for as long as its answer, and what lives is what a collection of young garbage takes its time for.
 */

export interface Tail {
  /** Adds it if there is room; a text that holds half a pair, which has no bytes of its own, never has. */
  add(piece: string): boolean;
  /** All since the last call. */
  take(): string;
}

/** Some forty tokens. */
const BYTES = 256;

/** UTF-8 takes three bytes for a UTF-16 unit at the most. */
const BYTES_PER_UNIT = 3;

export function createTail(): Tail {
  return new Bytes();
}

class Bytes implements Tail {
  readonly #bytes = Buffer.allocUnsafe(BYTES);
  #used = 0;

  add(piece: string): boolean {
    if (piece.length * BYTES_PER_UNIT > BYTES - this.#used || !piece.isWellFormed()) return false;
    this.#used += this.#bytes.write(piece, this.#used);
    return true;
  }

  take(): string {
    const text = this.#used === 0 ? '' : this.#bytes.toString('utf8', 0, this.#used);
    this.#used = 0;
    return text;
  }
}
