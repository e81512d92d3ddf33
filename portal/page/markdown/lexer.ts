/** marked's lexer with mathematics added. Tokens only: its HTML renderer is never used. */

import { Marked, type TokenizerExtension, type TokensList } from 'marked';

/** `$$…$$` and `\[…\]` on lines of their own, or in a line. */
const MATH_BLOCK = /^ {0,3}(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/;
const MATH_DISPLAY = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])/;
/** As pandoc reads it: no space inside the dollars, no digit after them, so that prices stay prices. */
const MATH_INLINE = /^(?:\$(?![\s$])((?:\\.|[^\\$\n])*?[^\s\\$])\$(?!\d)|\\\((.+?)\\\))/;

const mathBlock: TokenizerExtension = {
  name: 'mathBlock',
  level: 'block',
  start: (source) => source.match(/^ {0,3}(?:\$\$|\\\[)/m)?.index,
  tokenizer(source) {
    const found = MATH_BLOCK.exec(source);
    if (!found) return undefined;
    return {
      type: 'math',
      raw: found[0],
      text: (found[1] ?? found[2] ?? '').trim(),
      display: true,
    };
  },
};

const mathInline: TokenizerExtension = {
  name: 'math',
  level: 'inline',
  start: (source) => source.match(/\$|\\[([]/)?.index,
  tokenizer(source) {
    const display = MATH_DISPLAY.exec(source);
    const found = display ?? MATH_INLINE.exec(source);
    if (!found) return undefined;
    return {
      type: 'math',
      raw: found[0],
      text: (found[1] ?? found[2] ?? '').trim(),
      display: display !== null,
    };
  },
};

const marked = new Marked({ gfm: true, breaks: true });
marked.use({ extensions: [mathBlock, mathInline] });

/** Blocks of a text; `links` are reference definitions that stood before it. */
export function lex(text: string, links: TokensList['links']): TokensList {
  const lexer = new marked.Lexer(marked.defaults);
  Object.assign(lexer.tokens.links, links);
  return lexer.lex(text);
}
