/** Streams whose source says by itself when there is more. */

import { Readable } from 'node:stream';

/**
 * While it flows, what is pushed goes to those who listen at once, as it would by itself, but without the tick that a
 * stream spends on each piece to ask its source for more. While it is paused it is a stream like any other.
 */
export function flowDirectly(stream: Readable): void {
  stream.push = pushDirectly;
}

/**
 * One function for all streams. V8 makes a closure that is written down where it is assigned to a property among its
 * old objects: one for each stream would keep the stream, and its whole call, until the old are collected.
 */
function pushDirectly(this: Readable, chunk: Buffer | null): boolean {
  if (chunk === null || !flows(this)) return Readable.prototype.push.call(this, chunk);
  this.emit('data', chunk);
  return true;
}

/** Behind what waits in it nothing may overtake. */
function flows(stream: Readable): boolean {
  return stream.readableFlowing === true && stream.readableLength === 0;
}
