/** marked's lexer with mathematics added. Tokens only: its HTML renderer is never used. */

import {
  Marked,
  type MarkedToken,
  type Token,
  type TokenizerExtension,
  type TokensList,
} from 'marked';

/** `$$…$$` and `\[…\]` on lines of their own, or in a line. */
const MATH_BLOCK = /^ {0,3}(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/;
const MATH_DISPLAY = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])/;
/** As pandoc reads it: no space inside the dollars, no digit after them, so that prices stay prices. */
const MATH_INLINE = /^(?:\$(?![\s$])((?:\\.|[^\\$\n])*?[^\s\\$])\$(?!\d)|\\\((.+?)\\\))/;

/** Asked for each word of a text: most have neither sign, and this is the fastest way to know. */
function mayHoldMath(source: string): boolean {
  return source.includes('$') || source.includes('\\');
}

const mathBlock: TokenizerExtension = {
  name: 'mathBlock',
  level: 'block',
  start: (source) =>
    mayHoldMath(source) ? source.match(/^ {0,3}(?:\$\$|\\\[)/m)?.index : undefined,
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
  start: (source) => (mayHoldMath(source) ? source.match(/\$|\\[([]/)?.index : undefined),
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

export type Links = TokensList['links'];

/** Blocks of a text; `links` are reference definitions that stood before it. */
export function lex(text: string, links: Links): TokensList {
  return lexerWith(links).lex(text);
}

/** What stands in a line or a paragraph. */
export function lexInline(text: string, links: Links): Token[] {
  return lexerWith(links).inlineTokens(text);
}

function lexerWith(links: Links) {
  const lexer = new marked.Lexer(marked.defaults);
  Object.assign(lexer.tokens.links, links);
  return lexer;
}

/** Whatever is no formula is one of marked's own. */
export function isMarked(token: Token): token is MarkedToken {
  return token.type !== 'math';
}
