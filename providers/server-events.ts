/**
 * JSON objects in server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 * About a third of what the SDKs' own readers cost, and what arrived together stays together. Event
 * names are not read: the APIs that give them repeat them in the object's `type`.
 */

import { parseObjects, readLines } from './lines.ts';
import type { WireObject } from './wire.ts';

/** What OpenAI and those who follow it send as the last event. */
const END_MARKER = '[DONE]';

/**
 * Yields the objects that arrived together; comments, and data that is JSON but no object, say nothing.
 * Ends with the end marker or the response. An event that the response ends in the middle of counts
 * if it is whole but for its last line break. Throws `SyntaxError` for data that is not JSON, after the
 * objects before it. What `says` nothing, such as a ping, is passed over too: it is no sign of life.
 */
export async function* readServerEvents(
  response: Response,
  says: (event: WireObject) => boolean = () => true,
): AsyncGenerator<readonly WireObject[], undefined> {
  const join = createEventJoiner();
  for await (const { lines, ended } of readLines(response)) {
    const texts = join(ended ? lines : [...lines, '']);
    const marker = texts.indexOf(END_MARKER);
    const parsed = parseObjects(marker < 0 ? texts : texts.slice(0, marker));
    const { error } = parsed;
    const objects = parsed.objects.filter(says);
    if (objects.length > 0) yield objects;
    // What the end of the connection cut off was cut off: the adapter sees that nothing ended the answer.
    if (error && ended) throw error;
    if (marker >= 0) return;
  }
  const { objects } = parseObjects(join(['']));
  if (objects.length > 0) yield objects;
}

/** Puts the data of events together from their lines; what is left open is closed by an empty line. */
function createEventJoiner(): (lines: readonly string[]) => string[] {
  let data: string | undefined;
  return (lines) => {
    const whole: string[] = [];
    for (const ended of lines) {
      const line = ended.endsWith('\r') ? ended.slice(0, -1) : ended;
      if (line === '') {
        if (data !== undefined) whole.push(data);
        data = undefined;
      } else if (line.startsWith(FIELD)) {
        const value = line.slice(
          line.charCodeAt(FIELD.length) === SPACE ? FIELD.length + 1 : FIELD.length,
        );
        data = data === undefined ? value : `${data}\n${value}`;
      }
    }
    return whole;
  };
}

const FIELD = 'data:';
const SPACE = 0x20;
