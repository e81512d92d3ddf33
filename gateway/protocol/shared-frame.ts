/** An event that goes to several sockets: its body becomes bytes once, and each socket's number is written behind it. */

import { withSeq } from './frames.ts';

/** A frame that is longer, at its worst, is made of text for each socket. */
const MOST_BYTES = 64 * 1024;

/** UTF-8 takes three bytes for a UTF-16 unit at the most. */
const BYTES_PER_UNIT = 3;

/** What `withSeq` puts behind a body, with the largest number that counts. */
const MOST_END_BYTES = `,"seq":${Number.MAX_SAFE_INTEGER}}`.length;

const frame = Buffer.allocUnsafeSlow(MOST_BYTES);
let written: string | undefined;
let bodyBytes = 0;

/** The frame of `withSeq`, good until the next call. It costs least where a body's calls follow each other. */
export function sharedFrame(body: string, seq: number): string | Uint8Array {
  if (body !== written) {
    if (body.length * BYTES_PER_UNIT + MOST_END_BYTES > MOST_BYTES) return withSeq(body, seq);
    bodyBytes = frame.write(body);
    written = body;
  }
  const endBytes = frame.write(withSeq('', seq), bodyBytes, 'latin1');
  return frame.subarray(0, bodyBytes + endBytes);
}
