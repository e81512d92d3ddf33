/** Secrets: made, digested for storage, compared so that timing tells nothing. */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** 256 random bits as 43 characters of base64url. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

/** SHA-256. Enough for tokens of 256 random bits, which nobody can guess back; not for passwords. */
export function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

/** A test for one secret. Keeps its digest only; takes the same time wherever the values differ. */
export function compileSecret(secret: string): (candidate: string) => boolean {
  const expected = digest(secret);
  return (candidate) => timingSafeEqual(digest(candidate), expected);
}
