/**
 * The block that is still being written. Of a long one only the end is parsed again: list items and
 * table rows that others follow are settled, and so are words of a paragraph in which no mark is left
 * open. What turns out to be read otherwise is read anew as a whole.
 */

import type { Token, Tokens } from 'marked';
import { isMarked, type Links, lex, lexInline } from './lexer.ts';
import { settledWords } from './settled-words.ts';

export interface OpenBlock {
  /** Tokens of a text that begins with the block, as the lexer would give them. */
  lex(source: string, links: Links): Token[];
  /** Settles what it can. `tokens` are what `lex` gave for the same text, and are one block. */
  settle(source: string, tokens: readonly Token[], links: Links): void;
}

interface Settled {
  /** Characters at the block's beginning that are not parsed again. */
  readonly length: number;
  /** What the rest needs before it to be read as what it is. */
  readonly lead: string;
  /** List items, rows, or inline tokens. */
  readonly parts: number;
  /** The whole block, given what the rest was read as; nothing if that is not what was expected. */
  join(rest: Token): Token | undefined;
}

/** Parts that are settled together. The last ones stay open: they may not be over yet. */
const PARTS = 8;
const OPEN_PARTS = 2;
const MANY_CHARS = 600;

export function createOpenBlock(): OpenBlock {
  let settled: Settled | undefined;
  let words: readonly Token[] = [];
  /** Length at which words are looked at again: where a mark stays open, that is no use each time. */
  let wordsAt = MANY_CHARS;
  /** It was read otherwise once: from then on it is always read as a whole. */
  let isOdd = false;

  const lexWhole = (source: string, links: Links): Token[] => {
    settled = undefined;
    isOdd = true;
    return lex(source, links);
  };

  const settleParagraph = (source: string, links: Links) => {
    const from = settled?.length ?? 0;
    const open = source.slice(from);
    if (open.length < wordsAt) return;
    const end = settledWords(open, (some) => lexInline(some, links));
    wordsAt = end === 0 ? open.length * 2 : MANY_CHARS;
    if (end === 0) return;
    words = [...words, ...lexInline(open.slice(0, end), links)];
    settled = settledParagraph(source.slice(0, from + end), words);
  };

  return {
    lex(source, links) {
      if (!settled) return lex(source, links);
      const [rest, ...more] = lex(settled.lead + source.slice(settled.length), links);
      const whole = rest && settled.join(rest);
      return whole ? [whole, ...more] : lexWhole(source, links);
    },
    settle(source, tokens, links) {
      const [block] = tokens;
      if (isOdd || !block || !isMarked(block)) return;
      const known = settled?.parts ?? 0;
      if (block.type === 'list' && block.items.length - OPEN_PARTS - known >= PARTS) {
        settled = settledItems(source, block) ?? settled;
      } else if (block.type === 'table' && block.rows.length - OPEN_PARTS - known >= PARTS) {
        settled = settledRows(source, block) ?? settled;
      } else if (block.type === 'paragraph') {
        settleParagraph(source, links);
      }
    },
  };
}

function settledItems(source: string, list: Tokens.List): Settled | undefined {
  const items = list.items.slice(0, -OPEN_PARTS);
  const raw = items.map((item) => item.raw).join('');
  if (!source.startsWith(raw)) return undefined;
  return {
    length: raw.length,
    lead: '',
    parts: items.length,
    join: (rest) =>
      isMarked(rest) && rest.type === 'list' && rest.ordered === list.ordered
        ? {
            ...rest,
            raw: raw + rest.raw,
            start: list.start,
            loose: list.loose || rest.loose,
            items: [...items, ...rest.items],
          }
        : undefined,
  };
}

/** A row is a line; the first two are the heading and the ruler. */
function settledRows(source: string, table: Tokens.Table): Settled | undefined {
  const rows = table.rows.slice(0, -OPEN_PARTS);
  const lines = table.raw.trimEnd().split('\n');
  const raw = `${lines.slice(0, 2 + rows.length).join('\n')}\n`;
  if (lines.length !== 2 + table.rows.length || !source.startsWith(raw)) return undefined;
  return {
    length: raw.length,
    lead: `${lines.slice(0, 2).join('\n')}\n`,
    parts: rows.length,
    join: (rest) =>
      isMarked(rest) && rest.type === 'table'
        ? {
            ...rest,
            raw: raw + rest.raw.split('\n').slice(2).join('\n'),
            rows: [...rows, ...rest.rows],
          }
        : undefined,
  };
}

function settledParagraph(raw: string, words: readonly Token[]): Settled {
  return {
    length: raw.length,
    lead: '',
    parts: words.length,
    join: (rest) =>
      isMarked(rest) && rest.type === 'paragraph'
        ? {
            ...rest,
            raw: raw + rest.raw,
            text: raw + rest.text,
            tokens: [...words, ...rest.tokens],
          }
        : undefined,
  };
}
