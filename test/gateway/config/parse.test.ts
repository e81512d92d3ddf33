import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { parseText } from '../../../gateway/config/parse.ts';
import { formatProblem } from '../../../gateway/config/problem.ts';
import { toPlain } from '../../../gateway/config/tree.ts';
import { lines, load } from './files.ts';

const problemsOf = (text: string) => parseText(text, 'f').problems.map(formatProblem);

function valueOf(text: string): unknown {
  const { tree, problems } = parseText(text, 'f');
  if (!tree || problems.length > 0) throw new Error(`unexpected: ${problemsOf(text).join()}`);
  return toPlain(tree);
}

describe('JSON5', () => {
  it('reads what JSON5 adds to JSON', () => {
    const text = `\uFEFF// comment
      { /* another */ plain: 'single', "double": "it's", trailing: [1, 2,], hex: 0x1F, dot: .5,
        plus: +1, signed: -Infinity, $dollar_1: null, 'two\\
lines': '\\x41\\u0042\\t', nested: { deep: [ { er: true } ] }, }`;
    expect(valueOf(text)).toEqual({
      plain: 'single',
      double: "it's",
      trailing: [1, 2],
      hex: 31,
      dot: 0.5,
      plus: 1,
      signed: -Infinity,
      $dollar_1: null,
      twolines: 'AB\t',
      nested: { deep: [{ er: true }] },
    });
  });

  it('reads every JSON text as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (text) => {
        expect(valueOf(text)).toEqual(JSON.parse(text));
      }),
    );
  });
});

describe('a text that is no JSON5', () => {
  test.each<[name: string, text: string, expected: string]>([
    ['nothing', '', 'f:1:1: (file): this is not JSON5: the text ends too early'],
    ['an open object', '{ a: 1', 'f:1:7: (file): this is not JSON5: the text ends too early'],
    [
      'a missing comma',
      '{ a: 1\n  b: 2 }',
      'f:2:3: (file): this is not JSON5: unexpected word without quotes',
    ],
    ['a missing colon', '{ a 1 }', 'f:1:5: (file): this is not JSON5: unexpected number'],
    ['two values', '{} {}', 'f:1:4: (file): this is not JSON5: unexpected "{"'],
    ['an odd character', '{ a: @ }', 'f:1:6: (file): this is not JSON5: unexpected character "@"'],
    [
      'an open string',
      '{\n  a: "x,\n  b: "y" }',
      'f:2:6: (file): this string is not closed on its line',
    ],
    ['an open string at the end', '"x\\', 'f:1:1: (file): this string is not closed on its line'],
    ['an open comment', '{ /* }', 'f:1:3: (file): this comment is never closed'],
    [
      'a key that stands twice',
      '{ a: 1,\n  "a": 2 }',
      'f:2:3: a: the key "a" stands here a second time, first on line 1',
    ],
    [
      'a nested key that stands twice',
      '{ x: [{ a: 1, a: 2 }] }',
      'f:1:15: x[0].a: the key "a" stands here a second time',
    ],
    [
      'deep nesting',
      '['.repeat(65),
      'f:1:65: (file): objects and lists are nested more than 64 deep',
    ],
    ['very deep nesting', '{"a":'.repeat(200_000), 'nested more than 64 deep'],
  ])('%s', (_, text, expected) => {
    expect(problemsOf(text)).toEqual([expect.stringContaining(expected)]);
  });

  it('is not repeated in the message', () => {
    expect(problemsOf('{ apiKey: sk-5ecret }').join()).not.toMatch(/5ecret/);
    expect(problemsOf('{ apiKey sk5ecret }').join()).not.toMatch(/5ecret/);
  });
});

describe('whatever a file holds', () => {
  // Pieces of JSON5 and of this configuration, so that many texts get past the parser.
  const words = (list: string) => fc.constantFrom(...list.split(' '));
  const piece = fc.oneof(
    words(
      '{ } [ ] : , " \' \\ // /* */ - + . 0x Infinity NaN null true 1e9 __proto__ $include ${X}',
    ),
    words('gateway agents models providers env vars port "x" headers model'),
    fc.constantFrom(' ', '\n', '\u2028', '\uD800'),
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join('')),
    fc.json(),
  );
  const leaf = fc.oneof(
    fc.string(),
    fc.constant('${X}'),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
  );
  const names = words(
    'gateway auth trustedProxy secret controlUi allowedOrigins trustedProxies agents defaults entries model primary fallbacks ' +
      'models providers apiKey headers source id env vars $include __proto__ toString instances',
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      leaf,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(names, tie('value'), { maxKeys: 4 }),
    ),
  }));

  it('loading it ends in a configuration or in errors, never in a throw', () => {
    fc.assert(
      fc.property(fc.oneof(text, value), (content) => {
        const result = load(content ?? null);
        expect(result.ok || result.errors.length > 0).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test.each<[name: string, text: string]>([
    [
      'many keys',
      `{ env: { vars: {${Array.from({ length: 60_000 }, (_, i) => `k${i}:"v"`).join()}} } }`,
    ],
    ['many unknown keys', `{${Array.from({ length: 20_000 }, (_, i) => `key${i}:1`).join()}}`],
    ['a long string', `{ agents: { defaults: { systemPrompt: "${'a'.repeat(900_000)}" } } }`],
    ['a long key', `{ "${'a'.repeat(1_000_000)}": 1 }`],
    ['many placeholders', `{ agents: { defaults: { systemPrompt: "${'${A'.repeat(300_000)}" } } }`],
    ['many escapes', `{ a: "${'\\u0041'.repeat(150_000)}" }`],
    ['many comments', '/**/'.repeat(400_000)],
    ['slashes', '/'.repeat(1_000_000)],
    ['stars', `/*${'*'.repeat(1_000_000)}`],
    ['many proxies', `{ gateway: { trustedProxies: [${'"x",'.repeat(20_000)}] } }`],
    ['many duplicates', `{${'a:1,'.repeat(50_000)}}`],
  ])('%s take time in proportion to their size', (_, content) => {
    const before = process.cpuUsage();
    load(content);
    const { user, system } = process.cpuUsage(before);
    // A quadratic step over a megabyte would take minutes. The processor's own time: others may have it meanwhile.
    expect((user + system) / 1000).toBeLessThan(20_000);
  });

  it('refuses a file of more than 2 MiB', () => {
    expect(lines(load(' '.repeat(2 * 1024 * 1024 + 1))).join()).toContain('split it with $include');
  });
});
