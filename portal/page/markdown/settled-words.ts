/** How far a paragraph is certain: the words before that point mean the same, whatever comes behind them. */

import type { Token } from 'marked';
import { isMarked } from './lexer.ts';

/** Characters at the end that are left alone. */
const SPARE = 100;

/** Marks that more text may make something of. */
const OPEN_MARK = /[`$[<\\]|[*~](?!\s)|(?<!\w)_(?!\s)/;
/** The end of a word and the beginning of another: nothing reaches over it but what has a mark. */
const BETWEEN_WORDS = /(?<=\S )(?=\p{L})|(?<=[。，！？；：、])(?=\p{L})/gu;
/** An address ends with the next blank, not with a full stop. */
const ADDRESS = /(?::\/\/|www\.|@)\S*$/;

/** Length of the certain part; 0 if there is none that is worth it. `lex` gives a text's inline tokens. */
export function settledWords(source: string, lex: (words: string) => readonly Token[]): number {
  const end = lastBoundary(source, source.length - SPARE);
  if (end === 0) return 0;
  const open = firstOpen(lex(source.slice(0, end)));
  if (open === undefined) return end;
  const before = lastBoundary(source, open);
  if (before < SPARE) return 0;
  return firstOpen(lex(source.slice(0, before))) === undefined ? before : 0;
}

function lastBoundary(source: string, limit: number): number {
  let last = 0;
  for (const { index } of source.slice(0, Math.max(0, limit) + 1).matchAll(BETWEEN_WORDS)) {
    if (index <= limit) last = index;
  }
  return ADDRESS.test(source.slice(Math.max(0, last - 500), last)) ? 0 : last;
}

/** Where the first mark stands that nothing has closed. */
function firstOpen(tokens: readonly Token[]): number | undefined {
  let at = 0;
  for (const token of tokens) {
    if (isOpen(token)) return at + Math.max(0, token.raw.search(OPEN_MARK));
    at += token.raw.length;
  }
  return undefined;
}

function isOpen(token: Token): boolean {
  const inner: readonly Token[] = 'tokens' in token && token.tokens ? token.tokens : [];
  if (inner.some(isOpen)) return true;
  if (!isMarked(token)) return false;
  if (token.type === 'text') return inner.length === 0 && OPEN_MARK.test(token.raw);
  if (token.type === 'escape') return /^\\[([]/.test(token.raw);
  // A tag may change how the rest is read.
  return token.type === 'html';
}
