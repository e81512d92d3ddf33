/** What somebody meant who wrote something else. */

import { distance } from 'fastest-levenshtein';

/** The word closest to `word`, case aside, if it is close enough to be what was meant. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const LONGEST_WORD = 64;
  if (word.length > LONGEST_WORD) return undefined;
  const lower = word.toLowerCase();
  let best: string | undefined;
  // A third of the letters may be wrong; two in short words.
  let bound = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = distance(lower, candidate.toLowerCase());
    if (edits < bound && edits < candidate.length) {
      best = candidate;
      bound = edits;
    }
  }
  return best ?? candidates.find((candidate) => isStart(lower, candidate.toLowerCase()));
}

/** `maxPayload` and `maxPayloadBytes`, either way round. */
function isStart(a: string, b: string): boolean {
  const SHORTEST = 4;
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length >= SHORTEST && long.startsWith(short);
}
