/**
 * Lines of a response, for APIs that stream one JSON object a line and for server-sent events. What arrives is
 * read at once and handed on object by object: nothing of it is left behind for the next piece but a line that
 * has no end yet. So the garbage of a piece is young when it is collected, however many streams there are.
 */

import { createRepeatParser } from './repeats.ts';
import { isObject, type WireObject } from './wire.ts';

/** Takes the bytes of one answer as they come. */
export interface StreamReader {
  /**
   * Hands on what is complete. True: the answer has ended, and what follows is not to be read.
   * @throws {SyntaxError} for what is not JSON, after what came before it was handed on.
   */
  push(bytes: Buffer): boolean;
  /** The connection has ended. What it cut off was cut off, and is not told. */
  end(): void;
}

/** How an API's objects follow each other: makes a reader that hands each of them to `read`, which keeps none. */
export type Framing = (read: (object: WireObject) => void) => StreamReader;

/** A server that sends this much without an end of the line, or of the event, does not speak the protocol. */
export const MAX_HELD_BYTES = 16 * 1024 * 1024;

const LINE_FEED = 0x0a;

const NOTHING = Buffer.alloc(0);

/** https://encoding.spec.whatwg.org/#utf-8-decode passes over it at the beginning. */
const BYTE_ORDER_MARK = '\uFEFF';

export interface LineReader {
  /** @throws {SyntaxError} if a line does not end. */
  push(bytes: Buffer): void;
  /** What has no end, if there is anything. */
  end(): string;
}

/**
 * Hands on each line without its `\n` (a `\r` before it stays), until `onLine` returns true. Costs as much as the
 * text is long, however it was cut into pieces.
 */
export function createLineReader(onLine: (line: string) => boolean): LineReader {
  return new Lines(onLine);
}

class Lines implements LineReader {
  readonly #onLine: (line: string) => boolean;
  /** Of a line without an end. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isFirst = true;

  constructor(onLine: (line: string) => boolean) {
    this.#onLine = onLine;
  }

  push(bytes: Buffer): void {
    const end = bytes.lastIndexOf(LINE_FEED) + 1;
    if (end > 0) {
      const text = this.#decode(bytes, end);
      let from = 0;
      while (from < text.length) {
        const to = text.indexOf('\n', from);
        if (this.#onLine(text.slice(from, to))) return;
        from = to + 1;
      }
    }
    this.#hold(bytes, end);
  }

  end(): string {
    return this.#decode(NOTHING, 0);
  }

  #hold(bytes: Buffer, from: number): void {
    if (from === bytes.length) return;
    this.#heldBytes += bytes.length - from;
    if (this.#heldBytes > MAX_HELD_BYTES) throw new SyntaxError('endless line');
    // A copy: a view would keep all that arrived with it.
    this.#held.push(Buffer.from(bytes.subarray(from)));
  }

  /** No character is cut by an end at a line feed: in UTF-8 nothing else has its byte. */
  #decode(bytes: Buffer, end: number): string {
    const text =
      this.#heldBytes === 0
        ? bytes.toString('utf8', 0, end)
        : Buffer.concat([...this.#held, bytes.subarray(0, end)]).toString('utf8');
    if (this.#heldBytes > 0) this.#held = [];
    this.#heldBytes = 0;
    if (!this.#isFirst) return text;
    this.#isFirst = false;
    return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
  }
}

/** One JSON object a line; what else is JSON says nothing and is passed over. */
export const jsonLines: Framing = (read) => {
  const readObject = createObjectReader(read);
  const lines = createLineReader((line) => {
    if (line.trim() !== '' && !readObject(line)) throw notJson();
    return false;
  });
  return {
    push(bytes) {
      lines.push(bytes);
      return false;
    },
    end() {
      readObject(lines.end());
    },
  };
};

/** For the texts of one answer: hands on what each holds, if it is an object. False if it is no JSON. */
export function createObjectReader(read: (object: WireObject) => void): (text: string) => boolean {
  const parse = createRepeatParser();
  return (text) => {
    let value: unknown;
    try {
      value = parse(text);
    } catch {
      return false;
    }
    if (isObject(value)) read(value);
    return true;
  };
}

/** Says nothing of the text, which may hold anything. */
export const notJson = () => new SyntaxError('not JSON');
