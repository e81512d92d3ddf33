import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  foldName,
  type Header,
  isIdentityValue,
  readIdentityHeaders,
} from '../../../gateway/trust/headers.ts';

const NAMES = new Set(['x-user-id', 'x-instance-id', 'origin']);

describe('readIdentityHeaders', () => {
  it('collects the named headers and ignores the rest, however often they come', () => {
    const read = readIdentityHeaders(
      [
        ['cookie', 'a'],
        ['cookie', 'b'],
        ['x-user-id', 'alice'],
        ['origin', 'https://app.example'],
      ],
      NAMES,
    );
    expect(read).toEqual({
      ok: true,
      values: new Map([
        ['x-user-id', 'alice'],
        ['origin', 'https://app.example'],
      ]),
    });
  });

  it.each(['x_user_id', 'x-user_id', 'x_user-id', 'x.user.id', 'x user id', 'X-User-ID'])(
    'refuses the look-alike %j even when it is the only one',
    (name) => {
      expect(readIdentityHeaders([[name, 'mallory']], NAMES)).toEqual({
        ok: false,
        problem: 'look_alike',
        header: 'x-user-id',
      });
    },
  );

  it('refuses a header that appears twice, whatever its values and wherever it stands', () => {
    const others = fc.array(fc.tuple(fc.stringMatching(/^y-[a-z]{1,5}$/), fc.string()));
    fc.assert(
      fc.property(
        fc.constantFrom(...NAMES),
        fc.string(),
        fc.string(),
        fc.tuple(others, others, others),
        (name, first, second, [before, between, after]) => {
          const headers: Header[] = [
            ...before,
            [name, first],
            ...between,
            [name, second],
            ...after,
          ];
          expect(readIdentityHeaders(headers, NAMES)).toMatchObject({
            ok: false,
            problem: 'duplicate',
            header: name,
          });
        },
      ),
    );
  });

  it('never believes one of two headers that fold to the same name', () => {
    const spelling = fc
      .tuple(fc.constantFrom('-', '_', '.', ' '), fc.constantFrom('-', '_', '.', ' '))
      .map(([a, b]) => `x${a}user${b}id`);
    fc.assert(
      fc.property(fc.array(spelling, { minLength: 2 }), (spellings) => {
        const headers = spellings.map((name, at): Header => [name, `user-${at}`]);
        expect(readIdentityHeaders(headers, NAMES).ok).toBe(false);
      }),
    );
  });
});

describe('foldName', () => {
  it('is idempotent and leaves only lower-case letters, digits and hyphens', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect(foldName(name)).toMatch(/^[a-z0-9-]*$/);
        expect(foldName(foldName(name))).toBe(foldName(name));
      }),
    );
  });
});

describe('isIdentityValue', () => {
  it.each(['a', 'alice@example.com', 'oc-ai-jp-2-02', 'agent:main:main', 'Alice Smith', '~', '!'])(
    'accepts %j',
    (value) => expect(isIdentityValue(value, 256)).toBe(true),
  );
  it.each([
    '',
    ' a',
    'a ',
    'a, b',
    'a,b',
    'a\tb',
    'a\nb',
    'a\0',
    'a\x7f',
    'zoë',
    'zo\u00c3\u00ab',
    '\u{1f600}',
  ])('refuses %j', (value) => expect(isIdentityValue(value, 256)).toBe(false));
  it('bounds the length', () => {
    expect(isIdentityValue('u'.repeat(256), 256)).toBe(true);
    expect(isIdentityValue('u'.repeat(257), 256)).toBe(false);
  });
});
