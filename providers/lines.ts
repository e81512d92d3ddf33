/** Lines of a response, for APIs that stream one JSON object a line and for server-sent events. */

import { chunksOf } from './transport.ts';
import { isObject, type WireObject } from './wire.ts';

/** A server that sends this much without a line break does not speak the protocol. */
const MAX_LINE_CHARACTERS = 16 * 1024 * 1024;

/**
 * Yields the lines that arrived together, each without its `\n` (a `\r` before it stays); a last one needs
 * no end, and `ended` tells that it had none. Costs as much as the text is long, however it was cut into
 * chunks. Throws `SyntaxError` if a line does not end; what the connection throws passes through.
 */
export async function* readLines(
  response: Response,
): AsyncGenerator<{ lines: readonly string[]; ended: boolean }, undefined> {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let held = 0;
  for await (const chunk of chunksOf(response)) {
    const lines = decoder.decode(chunk, { stream: true }).split('\n');
    const rest = lines.pop() ?? '';
    if (lines.length > 0) {
      if (parts.length > 0) lines[0] = parts.join('') + lines[0];
      parts = [];
      held = 0;
      yield { lines, ended: true };
    }
    if (rest === '') continue;
    parts.push(rest);
    held += rest.length;
    if (held > MAX_LINE_CHARACTERS) throw new SyntaxError('endless line');
  }
  const last = parts.join('') + decoder.decode();
  if (last !== '') yield { lines: [last], ended: false };
}

/**
 * Yields the objects that arrived together, one a line; what else is JSON says nothing and is passed
 * over. Throws `SyntaxError` for a line that is not JSON, after the objects before it.
 */
export async function* readJsonLines(
  response: Response,
): AsyncGenerator<readonly WireObject[], undefined> {
  for await (const { lines, ended } of readLines(response)) {
    const { objects, error } = parseObjects(lines.filter((line) => line.trim() !== ''));
    if (objects.length > 0) yield objects;
    // A last line that the end of the connection cut off is no nonsense: the answer was cut off.
    if (error && ended) throw error;
  }
}

/** As many of the texts as are JSON, up to the first that is not; only objects count. */
export function parseObjects(texts: readonly string[]): {
  objects: WireObject[];
  error?: SyntaxError;
} {
  const objects: WireObject[] = [];
  for (const text of texts) {
    try {
      const value: unknown = JSON.parse(text);
      if (isObject(value)) objects.push(value);
    } catch {
      return { objects, error: new SyntaxError('not JSON') };
    }
  }
  return { objects };
}
