/** What a client wants the mock upstream to say, written as the message that it sends. */

export interface Order {
  /** How many tokens. */
  tokens: number;
  /** Milliseconds between two of them, each in a segment of its own; 0 for as fast as they are taken. */
  everyMs: number;
}

/** More tokens than any measurement reads: such an answer is stopped. */
export const ENDLESS = 1_000_000_000;

const FORM = /^say (\d+) tokens, one every (\d+) ms$/;

export function toMessage({ tokens, everyMs }: Order): string {
  return `say ${tokens} tokens, one every ${everyMs} ms`;
}

/** @throws {Error} if the text is none of ours. */
export function toOrder(message: string): Order {
  const [, tokens, everyMs] = FORM.exec(message) ?? [];
  if (tokens === undefined || everyMs === undefined) throw new Error(`no order: ${message}`);
  return { tokens: Number(tokens), everyMs: Number(everyMs) };
}
