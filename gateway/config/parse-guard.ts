/**
 * One cheap pass over a text before it is parsed. It finds what a recursive parser dies of (depth)
 * and what it reports far from the cause (a string or comment that was never closed).
 */

import type { Advice } from './vocabulary.ts';

/** Deepest nesting of objects and arrays; the schema itself needs 8. */
const MAX_DEPTH = 64;

/** Longest text of one file, in UTF-16 units (OpenClaw reads files up to 2 MiB too). */
export const MAX_LENGTH = 2 * 1024 * 1024;

export interface BrokenText extends Advice {
  readonly line: number;
  readonly column: number;
}

/** What makes the text unfit to be parsed, with its position; undefined if nothing does. */
export function findBrokenText(text: string): BrokenText | undefined {
  if (text.length > MAX_LENGTH) {
    return at(text, 0, {
      message: `the file is longer than ${MAX_LENGTH} characters`,
      cure: 'split it with $include',
    });
  }
  let depth = 0;
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') depth -= 1;
    else if (char === '"' || char === "'") {
      const end = endOfString(text, i);
      if (end === undefined) return at(text, i, UNCLOSED_STRING);
      i = end;
    } else if (char === '/') {
      const end = endOfComment(text, i);
      if (end === undefined) return at(text, i, UNCLOSED_COMMENT);
      i = end;
    }
    if (depth > MAX_DEPTH) return at(text, i, TOO_DEEP);
  }
  return undefined;
}

const UNCLOSED_STRING: Advice = {
  message: 'this string is not closed on its line',
  cure: 'add the closing quote, or end the line with \\ to continue it',
};

const UNCLOSED_COMMENT: Advice = {
  message: 'this comment is never closed',
  cure: 'add */',
};

const TOO_DEEP: Advice = {
  message: `objects and lists are nested more than ${MAX_DEPTH} deep here`,
  cure: 'remove brackets; no key needs that',
};

/** Index of the closing quote; undefined if the line or the text ends first. */
function endOfString(text: string, start: number): number | undefined {
  const delimiter = text[start];
  for (let i = start + 1; i < text.length; i += 1) {
    const char = text[i];
    if (char === delimiter) return i;
    if (char === '\n' || char === '\r') return undefined;
    if (char === '\\') i += text[i + 1] === '\r' && text[i + 2] === '\n' ? 2 : 1;
  }
  return undefined;
}

/** Index of a comment's last character; `start` itself if no comment starts there. */
function endOfComment(text: string, start: number): number | undefined {
  const next = text[start + 1];
  if (next === '*') {
    const end = text.indexOf('*/', start + 2);
    return end < 0 ? undefined : end + 1;
  }
  if (next !== '/') return start;
  let i = start;
  while (i + 1 < text.length && text[i + 1] !== '\n' && text[i + 1] !== '\r') i += 1;
  return i;
}

function at(text: string, index: number, advice: Advice): BrokenText {
  return { ...positionAt(text, index), ...advice };
}

/** Line and column of a character, both from 1. */
export function positionAt(text: string, index: number): { line: number; column: number } {
  const lines = text.slice(0, index).split(/\r\n|[\n\r]/);
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}
