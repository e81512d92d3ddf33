/** A frame made of bytes for many sockets is the one made of text for each. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventBody, withSeq } from '../../../gateway/protocol/frames.ts';
import { sharedFrame } from '../../../gateway/protocol/shared-frame.ts';

const asText = (frame: string | Uint8Array) =>
  typeof frame === 'string' ? frame : Buffer.from(frame).toString('utf8');

const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const body = fc
  .string({ unit: 'binary' })
  .map((deltaText) => eventBody('chat', { state: 'delta', deltaText }));

test('whatever is said, to whomever, in whatever order', () => {
  fc.assert(
    fc.property(
      fc.array(body, { minLength: 1 }),
      fc.array(fc.tuple(fc.nat(), seq)),
      (all, sends) => {
        for (const [index, number] of sends) {
          const each = all[index % all.length] ?? '';
          expect(asText(sharedFrame(each, number))).toBe(withSeq(each, number));
        }
      },
    ),
  );
});

test('up to the longest that fits, and beyond', () => {
  for (const length of [21_800, 21_836, 21_837, 21_845, 65_536, 1_000_000]) {
    for (const letter of ['a', '紫']) {
      const long = letter.repeat(length);
      const frame = sharedFrame(long, Number.MAX_SAFE_INTEGER);
      expect(asText(frame) === withSeq(long, Number.MAX_SAFE_INTEGER)).toBe(true);
    }
  }
});
