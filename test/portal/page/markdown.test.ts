/** Markdown that arrives in pieces reads as if it had come whole. */

import fc from 'fast-check';
import type { Token } from 'marked';
import { describe, expect, test } from 'vitest';
import { createMarkdownStream, parseMarkdown } from '../../../portal/page/markdown/blocks.ts';
import { decodeEntities } from '../../../portal/page/markdown/entities.ts';
import { safeImage, safeLink } from '../../../portal/page/markdown/safe-link.ts';

const PIECES = [
  'word ',
  '**bold** ',
  '*it*',
  '\n',
  '\n\n',
  '- item\n',
  '  - inner\n',
  '1. one\n',
  '```js\n',
  '```\n',
  '    code\n',
  '> quote\n',
  '# Head\n',
  '---\n',
  '| a | b |\n|---|---|\n',
  '| 1 | 2 |\n',
  '`x` ',
  '$a+b$ ',
  '$5 and $6 ',
  '你好，',
  '👩‍👩‍👧 ',
  'مرحبا ',
  '<b>',
  '&amp;',
  '[l](https://x.example) ',
];

/** What is drawn: kinds and texts of the blocks. */
function shape(tokens: readonly Token[]): string[] {
  return tokens.map((token) => `${token.type}:${token.raw.trim()}`);
}

describe('a stream of Markdown', () => {
  test('gives the blocks of the whole text, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...PIECES), { maxLength: 25 }),
        fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 20 }),
        (pieces, cuts) => {
          const whole = pieces.join('');
          const stream = createMarkdownStream();
          let at = 0;
          for (let turn = 0; at < whole.length; turn += 1) {
            const size = 1 + (cuts[turn % cuts.length] ?? 0);
            stream.append(whole.slice(at, at + size));
            at += size;
            stream.read();
          }
          const { closed, open } = stream.read();
          expect(shape([...closed, ...open])).toEqual(shape(parseMarkdown(whole)));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('costs the same at the end of a long answer as at its beginning', () => {
    const stream = createMarkdownStream();
    let longest = 0;
    for (let each = 0; each < 5_000; each += 1) {
      stream.append(`word${each} ${each % 20 === 19 ? '\n\n' : ''}`);
      const { open } = stream.read();
      longest = Math.max(longest, open.map((token) => token.raw).join('').length);
    }
    // Only the open block is read again: never more than a paragraph of it.
    expect(longest).toBeLessThan(400);
    expect(stream.read().closed.length).toBeGreaterThan(240);
  });

  test.each([
    ['See [the page](https://exa', 'paragraph:See the page'],
    ['![dot](data:image/png;base64,iVBOR', 'paragraph:dot'],
    ['- one\n- [two](htt', 'list:- one\n- two'],
    ['```md\n[a](b', 'code:```md\n[a](b'],
    ['[done](https://x.example)', 'paragraph:[done](https://x.example)'],
  ])('shows of %j only what is certain', (source, shown) => {
    const stream = createMarkdownStream(source);
    expect(shape(stream.read().open)).toEqual([shown]);
  });

  test('keeps blocks that cannot change as they are', () => {
    const stream = createMarkdownStream('One.\n\nTwo\n');
    const [first] = stream.read().closed;
    stream.append('and more.\n\nThree');
    expect(stream.read().closed[0]).toBe(first);
  });
});

describe('formulas', () => {
  test.each([
    ['It costs $5 and $10.', 0],
    ['$x^2$', 1],
    ['\\(a\\) and \\[b\\]', 2],
    ['$$\n\\int x\n$$', 1],
    ['`$no$`', 0],
    ['```\n$$no$$\n```', 0],
  ])('in %j: %i', (source, count) => {
    const found = JSON.stringify(parseMarkdown(source)).split('"type":"math"').length - 1;
    expect(found).toBe(count);
  });
});

test.each([
  ['javascript:alert(1)'],
  ['JAVASCRIPT:alert(1)'],
  [' javascript:alert(1)'],
  ['java\nscript:alert(1)'],
  ['data:text/html,x'],
  ['vbscript:x'],
  ['file:///etc/passwd'],
  ['//evil.example'],
  ['/relative'],
])('%j is no link', (href) => {
  expect(safeLink(href)).toBeUndefined();
});

test('only pictures that are in the answer are shown', () => {
  expect(safeImage('https://x.example/a.png')).toBeUndefined();
  expect(safeImage('data:image/svg+xml;base64,AAAA')).toBeUndefined();
  expect(safeImage('data:image/png;base64,AAAA')).toBe('data:image/png;base64,AAAA');
});

test('character references are read as CommonMark has them', () => {
  expect(decodeEntities('a &lt; b &#38; c &#x4e2d; &unknown; &#0;')).toBe(
    'a < b & c 中 &unknown; \ufffd',
  );
});
