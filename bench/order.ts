/** What a client wants the mock upstream to say, written as the message that it sends. */

export interface Order {
  /** How many tokens. */
  tokens: number;
  /** Milliseconds between two of them, each in a segment of its own; 0 for as fast as they are taken. */
  everyMs: number;
}

/** More tokens than any measurement reads: such an answer is stopped. */
export const ENDLESS = 1_000_000_000;

/** Somewhere in the text: some gateways write more into a message than its user did. */
const FORM = /\bsay (\d+) tokens, one every (\d+) ms\b/;

export function toMessage({ tokens, everyMs }: Order): string {
  return `say ${tokens} tokens, one every ${everyMs} ms`;
}

/** Nothing if there is none in the text. */
export function toOrder(message: string): Order | undefined {
  const [, tokens, everyMs] = FORM.exec(message) ?? [];
  if (tokens === undefined || everyMs === undefined) return undefined;
  return { tokens: Number(tokens), everyMs: Number(everyMs) };
}
