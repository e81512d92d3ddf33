/** What a query asks for, and how well a text answers it. */

/** Terms of a query that count; the rest of a very long one says little. */
const MAX_TERMS = 16;

/** UTF-16 units of a snippet, and of what stands in it before the match. */
const SNIPPET = 160;
const BEFORE = 40;

/** A text of this many units has the weight of one; shorter ones weigh more. */
const USUAL_LENGTH = 400;

export interface Matcher {
  /** False only if no text of this JSON can match: judged without reading it. */
  maybe(json: string): boolean;
  /** How well the text matches, if it has all terms. */
  match(text: string): { score: number; snippet: string } | undefined;
}

/**
 * Terms are what stands between spaces; a text must hold all of them, as parts of words too, whatever
 * their case. So Chinese needs no words, and one character is a query. Nothing for a blank query.
 */
export function compileQuery(query: string): Matcher | undefined {
  const folded = fold(query);
  const words = [...new Set(folded.split(/\s+/).filter((word) => word !== ''))];
  const terms = words.slice(0, MAX_TERMS);
  if (terms.length === 0) return undefined;
  const escaped = terms.map((term) => JSON.stringify(term).slice(1, -1));
  const phrase = terms.length > 1 ? folded.trim() : undefined;
  return {
    maybe(json) {
      const lower = fold(json);
      return escaped.every((term) => lower.includes(term));
    },
    match(text) {
      const lower = fold(text);
      let score = 0;
      let first = lower.length;
      for (const term of terms) {
        const at = lower.indexOf(term);
        if (at < 0) return undefined;
        first = Math.min(first, at);
        score += weight(occurrences(lower, term), lower.length);
      }
      const whole = phrase === undefined ? -1 : lower.indexOf(phrase);
      if (whole >= 0) score += terms.length;
      const at = whole >= 0 ? whole : first;
      return { score: Math.round(score * 1_000) / 1_000, snippet: snippetAt(text, at) };
    },
  };
}

/** The one letter whose small form depends on what follows is folded too: a word's part must match. */
function fold(text: string): string {
  const lower = text.toLowerCase();
  return lower.includes('ς') ? lower.replaceAll('ς', 'σ') : lower;
}

/** Counted up to a bound: the twentieth says nothing more. */
function occurrences(text: string, term: string): number {
  let count = 0;
  let at = text.indexOf(term);
  while (at >= 0 && count < 20) {
    count += 1;
    at = text.indexOf(term, at + term.length);
  }
  return count;
}

/** BM25's saturation: from 0 to 1, more for more occurrences and for shorter texts. */
function weight(count: number, length: number): number {
  return count / (count + 1.2 * (0.25 + (0.75 * length) / USUAL_LENGTH));
}

/** Some text around a place, on one line, never cut inside a surrogate pair. */
function snippetAt(text: string, at: number): string {
  const start = Math.max(0, Math.min(at - BEFORE, text.length - SNIPPET));
  const end = Math.min(text.length, start + SNIPPET);
  const cut = text.slice(start, end).replace(/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/g, '');
  const line = cut.replaceAll(/\s+/g, ' ').trim();
  return `${start > 0 ? '…' : ''}${line}${end < text.length ? '…' : ''}`;
}
