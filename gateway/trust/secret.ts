/** The proxy's shared secret, compared so that timing tells nothing about it. */

import { createHash, timingSafeEqual } from 'node:crypto';

/** A test for one secret. Keeps its digest only; takes the same time wherever the values differ. */
export function compileSecret(secret: string): (candidate: string) => boolean {
  const expected = digest(secret);
  return (candidate) => timingSafeEqual(digest(candidate), expected);
}

// Digests have one length, which timingSafeEqual asks for and a secret's own length must not reveal.
function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}
