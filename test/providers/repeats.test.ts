/** Whatever the texts are, they are read as `JSON.parse` reads each of them. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRepeatParser } from '../../providers/repeats.ts';

/** What it makes of each text, or that it is no JSON. */
function readings(parse: (json: string) => unknown, texts: readonly string[]) {
  return texts.map((text) => {
    try {
      // At once: what it gives is good until the next call. As text, since that shows every field there is.
      return JSON.stringify(parse(text));
    } catch (error) {
      return error instanceof SyntaxError ? 'not JSON' : error;
    }
  });
}

const read = (texts: readonly string[]) => readings(createRepeatParser(), texts);
const parsed = (texts: readonly string[]) => readings(JSON.parse, texts);

const delta = (text: string, id = 'c-1') =>
  `{"id":"${id}","choices":[{"index":0,"delta":{"content":${JSON.stringify(text)}},"finish_reason":null}]}`;

/** Pieces of JSON: joined, they are texts that agree at length and differ at any place, in any way. */
const token = fc.oneof(
  fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"',
    '\\',
    '"a"',
    '"b"',
    '"a":',
    '"b":',
    '"__proto__":',
  ),
  fc.constantFrom('1', 'null', ' ', '\\"', '\\u0061', '\n', '\u0001', '\uD83D', '\uDE00', 'é', 'a'),
  fc.string({ maxLength: 3 }).map((text) => JSON.stringify(text)),
);
const pieces = fc.array(token, { maxLength: 8 }).map((tokens) => tokens.join(''));

test('a stream of deltas', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (answer) => {
      const texts = answer.map((text) => delta(text));
      expect(read(texts)).toEqual(parsed(texts));
    }),
  );
});

test('texts with a common beginning and a common end', () => {
  fc.assert(
    fc.property(pieces, pieces, fc.array(pieces), (head, tail, middles) => {
      const texts = middles.map((middle) => head + middle + tail);
      expect(read(texts)).toEqual(parsed(texts));
    }),
    { numRuns: 2_000 },
  );
});

test('objects with a string that differs at any place', () => {
  const objects = fc.tuple(fc.json({ maxDepth: 4 }), fc.array(fc.string({ unit: 'binary' })));
  fc.assert(
    fc.property(objects, fc.nat(), ([json, strings], at) => {
      const quotes = [...json.matchAll(/"/g)].map(({ index }) => index + 1);
      const place = quotes[at % quotes.length] ?? 0;
      const texts = strings.map((text) => json.slice(0, place) + text + json.slice(place));
      expect(read(texts)).toEqual(parsed(texts));
    }),
    { numRuns: 1_000 },
  );
});

test.each<[string, string[]]>([
  ['a text that holds a quote', ['{"a":"x"}', '{"a":"y"}', '{"a":"z","b":"w"}']],
  ['a text that ends in a backslash', ['{"a":"x","b":1}', '{"a":"y","b":1}', '{"a":"\\","b":1}']],
  ['a text that holds a line break', ['{"a":"x"}', '{"a":"y"}', '{"a":"\n"}']],
  ['the name of a field', ['{"x":"a"}', '{"y":"a"}', '{"z":"a"}']],
  ['a field that comes again', ['{"a":"x","a":"c"}', '{"a":"y","a":"c"}', '{"a":"z","a":"c"}']],
  [
    'a field that every object has',
    ['{"__proto__":"x"}', '{"__proto__":"y"}', '{"__proto__":"z"}'],
  ],
  ['strings alone', ['"x"', '"y"', '"z"']],
  ['an end that differs', ['{"a":"x","n":1}', '{"a":"y","n":1}', '{"a":"z","n":2}']],
  ['an end of as many characters', ['{"a":"x"}', '{"a":"y"}', '{"a":"z"]']],
  ['a beginning', ['{"n":1,"a":"x"}', '{"n":1,"a":"y"}', '{"n":2,"a":"z"}']],
  ['a shorter text', ['{"a":"xx"}', '{"a":"yy"}', '{"a":"}']],
])('%s that differs', (_, texts) => {
  expect(read(texts)).toEqual(parsed(texts));
});

test('deltas after something else, and something else after deltas', () => {
  const other = '{"usage":{"total":3}}';
  const deltas = ['a', 'b', 'c'].map((text) => delta(text));
  const texts = [
    ...Array.from({ length: 20 }, () => other),
    ...deltas,
    other,
    ...deltas,
    '[DONE',
    ...deltas,
  ];
  expect(read(texts)).toEqual(parsed(texts));
});

test('an object of a pattern is the same one each time: it costs no parsing', () => {
  const parse = createRepeatParser();
  parse(delta('a'));
  parse(delta('b'));
  const known = parse(delta('c'));
  expect(parse(delta('d'))).toBe(known);
  for (let n = 0; n < 20; n += 1) {
    parse('{"usage":{"total":3}}');
    expect(parse(delta('e'))).toBe(known);
  }
  parse(delta('a', 'c-2'));
  parse(delta('b', 'c-2'));
  expect(parse(delta('c', 'c-2'))).toBe(parse(delta('d', 'c-2')));
});

test('a beginning that says the same over and over does not hide that the rest differs in one string', () => {
  const parse = createRepeatParser();
  for (let n = 0; n < 50; n += 1) parse(delta(' '));
  parse(delta('a'));
  expect(parse(delta('b'))).toBe(parse(delta('c')));
});

test('what is too long for a delta is parsed each time', () => {
  const parse = createRepeatParser();
  const long = (text: string) => JSON.stringify({ text, rest: 'r'.repeat(5_000) });
  parse(long('a'));
  parse(long('b'));
  expect(parse(long('c'))).not.toBe(parse(long('d')));
});
