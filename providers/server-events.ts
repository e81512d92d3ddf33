/**
 * JSON objects in server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 * About a third of what the SDKs' own readers cost. Event names are not read: the APIs that give them
 * repeat them in the object's `type`.
 */

import {
  createLineReader,
  createObjectReader,
  type Framing,
  MAX_HELD_BYTES,
  notJson,
  type StreamReader,
} from './lines.ts';
import type { WireObject } from './wire.ts';

/** What OpenAI and those who follow it send as the last event. */
const END_MARKER = '[DONE]';

const FIELD = 'data:';
/** About what a line costs that waits for the end of its event, however short it is. */
const LINE_BYTES = 64;
const SPACE = 0x20;
const CARRIAGE_RETURN = 0x0d;

/**
 * Comments, and data that is JSON but no object, say nothing. Ends with the end marker or the response. An event
 * that the response ends in the middle of counts if it is whole but for its last line break.
 */
export const serverEvents: Framing = (read) => new EventReader(read);

class EventReader implements StreamReader {
  readonly #lines = createLineReader((line) => this.#take(line));
  readonly #readObject: (text: string) => boolean;
  #data: string | undefined;
  #heldBytes = 0;
  #isOver = false;

  constructor(read: (object: WireObject) => void) {
    this.#readObject = createObjectReader(read);
  }

  push(bytes: Buffer): boolean {
    this.#lines.push(bytes);
    return this.#isOver;
  }

  end(): void {
    const line = this.#lines.end();
    if (line.startsWith(FIELD)) this.#add(valueOf(line));
    this.#close();
  }

  #take(line: string): boolean {
    if (isEmpty(line)) {
      if (!this.#close()) throw notJson();
    } else if (line.startsWith(FIELD)) this.#add(valueOf(line));
    return this.#isOver;
  }

  #add(value: string): void {
    this.#heldBytes += value.length + LINE_BYTES;
    if (this.#heldBytes > MAX_HELD_BYTES) throw new SyntaxError('endless event');
    this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
  }

  /** False if the event is nonsense. */
  #close(): boolean {
    const text = this.#data;
    this.#data = undefined;
    this.#heldBytes = 0;
    if (text === undefined) return true;
    this.#isOver = text === END_MARKER;
    return this.#isOver || this.#readObject(text);
  }
}

/** A line may end with a carriage return too. */
function isEmpty(line: string): boolean {
  return line === '' || line === '\r';
}

function valueOf(line: string): string {
  const from = line.charCodeAt(FIELD.length) === SPACE ? FIELD.length + 1 : FIELD.length;
  const hasReturn = line.charCodeAt(line.length - 1) === CARRIAGE_RETURN;
  return line.slice(from, hasReturn ? -1 : undefined);
}

/** The same without what is no part of an answer, such as a ping: it is no sign of life either. */
export function serverEventsThatSay(says: (event: WireObject) => boolean): Framing {
  return (read) =>
    serverEvents((object) => {
      if (says(object)) read(object);
    });
}
