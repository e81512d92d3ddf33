/** A session's title, taken from its first words: never a call to a model. */

/** Most UTF-16 units of a title. */
const MAX_TITLE = 80;

/** Units that are looked at: enough to see whether a character spans the limit. */
const WINDOW = 2 * MAX_TITLE;

// Made when first needed: loading its data takes some 25 ms, and most titles are short or ASCII.
let segmenter: Intl.Segmenter | undefined;

/**
 * The first line of `text` that is not blank, trimmed, at most 80 UTF-16 units, never cut inside a
 * character as people see it (a grapheme cluster). Nothing if there is no such line. Costs the same
 * for a text of any length.
 */
export function deriveTitle(text: string): string | undefined {
  const start = text.search(/\S/);
  if (start < 0) return undefined;
  const line = text.slice(start, start + WINDOW).split(/[\n\r\u2028\u2029]/, 1)[0] ?? '';
  const title = line.trimEnd();
  return title.length <= MAX_TITLE ? title : cut(title);
}

function cut(line: string): string {
  // In ASCII every unit is a character (a line holds no CR LF).
  if (/^[\0-\x7f]+$/.test(line.slice(0, MAX_TITLE + 1))) return line.slice(0, MAX_TITLE).trimEnd();
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  // The character that stands at the limit is left out whole. One that fills the whole title
  // (piled-up combining marks) has to be cut, though not inside a surrogate pair.
  const end = segmenter.segment(line).containing(MAX_TITLE)?.index || pairBoundary(line, MAX_TITLE);
  return line.slice(0, end).trimEnd();
}

function pairBoundary(text: string, at: number): number {
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(at - 1, at + 1)) ? at - 1 : at;
}
