/**
 * Markdown as it streams. Text before the last block can no longer change, so it is parsed once and
 * kept; per frame only the open block is parsed again.
 */

import type { Token } from 'marked';
import { isMarked, type Links, lex } from './lexer.ts';
import { createOpenBlock } from './open-block.ts';
import { createQuote } from './quote.ts';

export interface ParsedText {
  /** Blocks that nothing that follows can change. Only ever grows. */
  readonly closed: readonly Token[];
  /** Blocks that more text may still change. */
  readonly open: readonly Token[];
}

export interface MarkdownStream {
  append(text: string): void;
  /** Parses what came since the last call. */
  read(): ParsedText;
  text(): string;
}

export function createMarkdownStream(initial = ''): MarkdownStream {
  const closed: Token[] = [];
  let whole = initial.replaceAll(/\r\n?/g, '\n');
  /** Where the open block begins in `whole`. */
  let openAt = 0;
  let block = createOpenBlock();
  let quote = createQuote(createMarkdownStream);
  let parsedTo = 0;
  let links: Links = {};
  let last: ParsedText = { closed, open: [] };

  /**
   * Closes what stands before the last block of the text up to `end`. Only whole lines are judged:
   * of half a line nobody knows yet whether it begins a block or goes on with one.
   */
  const close = (end: number) => {
    const source = whole.slice(openAt, end);
    const tokens = block.lex(source, links);
    const done = tokens.slice(0, lastBlock(tokens, source));
    if (done.length === 0) return;
    links = { ...links, ...linksOf(done) };
    for (const token of done) {
      openAt += token.raw.length;
      if (token.type !== 'space') closed.push(token);
    }
    block = createOpenBlock();
    quote = createQuote(createMarkdownStream);
  };

  const readOpen = (): Token[] => {
    const source = whole.slice(openAt);
    const tokens = withoutSpace(block.lex(source, links));
    if (tokens.length === 1) block.settle(source, tokens, links);
    if (!HALF_LINK.test(source) || tokens.at(-1)?.type === 'code') return tokens;
    return withoutSpace(block.lex(source.replace(HALF_LINK, '$1'), links));
  };

  return {
    append(text) {
      // As the lexer does itself: places in its tokens are then places in the text.
      whole += text.replaceAll(/\r\n?/g, '\n');
    },
    read() {
      if (parsedTo === whole.length) return last;
      const lines = whole.slice(parsedTo).includes('\n');
      parsedTo = whole.length;
      const quoted = quote.read(whole, openAt);
      if (!quoted && lines) close(whole.lastIndexOf('\n') + 1);
      last = { closed, open: quoted ? [quoted] : readOpen() };
      return last;
    },
    text: () => whole,
  };
}

/** A link or picture whose address is still being written: until it is there, only its words are shown. */
const HALF_LINK = /!?\[([^[\]\n]*)\]\([^()\s]*$/;

/** Reference definitions, in quotes and lists too: links further down may name them. */
function linksOf(tokens: readonly Token[]): Links {
  const found: Links = {};
  for (const token of tokens) {
    if (!isMarked(token)) continue;
    if (token.type === 'def') found[token.tag] ??= { href: token.href, title: token.title };
    const inner =
      token.type === 'list'
        ? token.items
        : token.type === 'blockquote' || token.type === 'list_item'
          ? token.tokens
          : [];
    for (const [tag, link] of Object.entries(linksOf(inner))) found[tag] ??= link;
  }
  return found;
}

function withoutSpace(tokens: readonly Token[]): Token[] {
  return tokens.filter((token) => token.type !== 'space');
}

/** Index of the last block that is no blank space: a list goes on after a blank line. */
function lastBlock(tokens: readonly Token[], source: string): number {
  const at = tokens.findLastIndex((token) => token.type !== 'space');
  if (at <= 0) return 0;
  const before = tokens.slice(0, at).map((token) => token.raw);
  return source.startsWith(before.join('')) ? at : 0;
}

/** Texts that were parsed lately: what is scrolled back into view is drawn from what stood there. */
const parsed = new Map<string, readonly Token[]>();
const MOST_KEPT = 100;

/** A whole text at once. */
export function parseMarkdown(text: string): readonly Token[] {
  const known = parsed.get(text);
  if (known) return known;
  const tokens = withoutSpace(lex(text, {}));
  keepParsed(text, tokens);
  return tokens;
}

/** An answer that has ended is shown by the blocks that it was streamed in. */
export function keepStreamed(stream: MarkdownStream): void {
  const { closed, open } = stream.read();
  const text = stream.text();
  if (HALF_LINK.test(text)) return;
  // A definition names links that stood before it; only a parser that sees the whole text joins them.
  if (!/^ {0,3}\[[^\]]+\]:/m.test(text)) keepParsed(text, [...closed, ...open]);
}

function keepParsed(text: string, tokens: readonly Token[]): void {
  parsed.set(text, tokens);
  const [oldest] = parsed.keys();
  if (parsed.size > MOST_KEPT && oldest !== undefined) parsed.delete(oldest);
}
