/**
 * Tokens that carry the time at which the upstream wrote them. All have the same width, so that
 * however many of them a gateway joins into one delta, each can be read out of it again.
 */

/** About what a model's token takes with its space, and room for microseconds of some years. */
export const TOKEN_CHARS = 10;

/** `at` in milliseconds of `now()`. */
export function stampedToken(at: number): string {
  return `${Math.round(at * 1000)
    .toString(36)
    .padStart(TOKEN_CHARS - 1, '0')} `;
}

/** The times, in milliseconds, that the tokens of a delta carry. */
export function stampsOf(text: string): number[] {
  const stamps: number[] = [];
  for (let at = 0; at + TOKEN_CHARS <= text.length; at += TOKEN_CHARS) {
    stamps.push(Number.parseInt(text.slice(at, at + TOKEN_CHARS - 1), 36) / 1000);
  }
  return stamps;
}

export function countTokens(text: string): number {
  return text.length / TOKEN_CHARS;
}
