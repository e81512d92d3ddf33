/** What a stream of server-sent events may hold back. */

import { expect, test } from 'vitest';
import { serverEvents } from '../../providers/server-events.ts';

const MIB = 1024 * 1024;

/** How many of these pieces are taken before the reader has had enough; at most `limit`. */
function takenOf(piece: Buffer, limit: number): number {
  const reader = serverEvents(() => {});
  for (let taken = 0; taken < limit; taken += 1) {
    try {
      reader.push(piece);
    } catch (error) {
      expect(error).toBeInstanceOf(SyntaxError);
      return taken;
    }
  }
  return limit;
}

test.each([
  ['a line without an end', Buffer.from('x'.repeat(MIB))],
  ['an event of long lines without an end', Buffer.from(`data: ${'x'.repeat(MIB - 7)}\n`)],
  ['an event of empty lines without an end', Buffer.from('data:\n'.repeat(MIB / 64))],
])('%s is not held beyond 16 MiB', (_name, piece) => {
  const taken = takenOf(piece, 64);
  expect(taken).toBeGreaterThanOrEqual(14);
  expect(taken).toBeLessThanOrEqual(17);
});

test('events that end may be as many as they like', () => {
  const piece = Buffer.from(`data: {"a":\ndata: "${'x'.repeat(MIB / 2)}"}\n\n`);
  expect(takenOf(piece, 64)).toBe(64);
});
