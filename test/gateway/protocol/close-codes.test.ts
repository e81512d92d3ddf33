import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CLOSES,
  closeFor,
  closeReason,
  MAX_REASON_BYTES,
} from '../../../gateway/protocol/close-codes.ts';

const bytes = (text: string) => Buffer.byteLength(text, 'utf8');

describe('the table', () => {
  it.each(Object.entries(CLOSES))('%s can be sent as it stands', (_name, { code, reason }) => {
    // RFC 6455 7.4: these are the codes of the protocol that an endpoint may send.
    const standard = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013];
    // 4000 to 4999 are for private use; a browser shows them as they are.
    expect(standard.includes(code) || (code >= 4000 && code <= 4999)).toBe(true);
    expect(closeReason(reason)).toBe(reason);
  });
});

describe('closeReason', () => {
  it('keeps what fits and cuts the rest at a character', () => {
    expect(closeReason('slow consumer')).toBe('slow consumer');
    expect(closeReason('x'.repeat(200))).toBe('x'.repeat(MAX_REASON_BYTES));
    expect(closeReason('é'.repeat(100))).toBe('é'.repeat(61));
    expect(closeReason(`${'x'.repeat(120)}😀`)).toBe('x'.repeat(120));
  });

  it('gives the longest prefix that fits, for any text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: 'binary' }), (text) => {
        const reason = closeReason(text);
        expect(text.startsWith(reason)).toBe(true);
        expect(bytes(reason)).toBeLessThanOrEqual(MAX_REASON_BYTES);
        // A character takes at most four bytes: less would have left room for another.
        const fits = bytes(text) <= MAX_REASON_BYTES;
        expect(fits ? reason === text : bytes(reason) > MAX_REASON_BYTES - 4).toBe(true);
      }),
    );
  });

  it('is well-formed for text that is not', () => {
    const reason = closeReason('\ud800'.repeat(100));
    expect(reason.isWellFormed()).toBe(true);
    expect(bytes(reason)).toBeLessThanOrEqual(MAX_REASON_BYTES);
  });
});

it('closeFor repeats the message under the code of its row', () => {
  expect(closeFor('refused', 'invalid role')).toEqual({ code: 1008, reason: 'invalid role' });
});
