import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deriveTitle } from '../../../agents/sessions/title.ts';

const FAMILY = '👨‍👩‍👧‍👦';

describe('a derived title', () => {
  it.each([
    ['Hello', 'Hello'],
    ['  \n\t\r\n  Hello there \r\nmore', 'Hello there'],
    ['one\u2028two', 'one'],
    ['', undefined],
    [' \n\t ', undefined],
    ['a'.repeat(80), 'a'.repeat(80)],
    ['a'.repeat(81), 'a'.repeat(80)],
    [`${'a'.repeat(78)} ${'b'.repeat(9)}`, `${'a'.repeat(78)} b`],
    [`${'a'.repeat(79)} ${'b'.repeat(9)}`, 'a'.repeat(79)],
    [`${'a'.repeat(79)}🦊`, 'a'.repeat(79)],
    [`${'a'.repeat(78)}🦊`, `${'a'.repeat(78)}🦊`],
    [`${'a'.repeat(75)}${FAMILY}`, 'a'.repeat(75)],
    [`${'a'.repeat(79)}e\u0301`, 'a'.repeat(79)],
    [`x${'\u0301'.repeat(200)}`, `x${'\u0301'.repeat(79)}`],
  ])('of %j is %j', (text, title) => {
    expect(deriveTitle(text)).toBe(title);
  });

  it('is the beginning of a line, at most 80 units, made of whole characters', () => {
    const characters = fc.constantFrom('a', ' ', 'é', 'e\u0301', '🦊', FAMILY, '漢', '\n');
    fc.assert(
      fc.property(fc.array(characters, { maxLength: 120, size: 'max' }), (list) => {
        const text = list.join('');
        const title = deriveTitle(text);
        const line = text
          .split('\n')
          .map((each) => each.trim())
          .find((each) => each !== '');
        if (title === undefined) {
          expect(line).toBeUndefined();
          return;
        }
        expect(title.length).toBeLessThanOrEqual(80);
        expect(line?.startsWith(title)).toBe(true);
        const whole = [...new Intl.Segmenter().segment(line ?? '')].map(({ index }) => index);
        expect([...whole, line?.length]).toContain(title.length);
        if ((line?.length ?? 0) > 80) expect(title.length).toBeGreaterThan(80 - FAMILY.length - 2);
      }),
    );
  });

  it('looks at the beginning only', () => {
    const title = deriveTitle('漢'.repeat(10_000_000));
    expect(title).toBe('漢'.repeat(80));
  });
});
