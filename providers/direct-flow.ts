/** Streams whose source says by itself when there is more. */

import type { Readable } from 'node:stream';

/**
 * While it flows, what is pushed goes to those who listen at once, as it would by itself, but without the tick that a
 * stream spends on each piece to ask its source for more. While it is paused it is a stream like any other.
 */
export function flowDirectly(stream: Readable): void {
  const push = stream.push.bind(stream);
  stream.push = (chunk: Buffer | null) => {
    if (chunk === null || !flows(stream)) return push(chunk);
    stream.emit('data', chunk);
    return true;
  };
}

/** Behind what waits in it nothing may overtake. */
function flows(stream: Readable): boolean {
  return stream.readableFlowing === true && stream.readableLength === 0;
}
