/**
 * A guess at how many tokens a text costs, without a tokenizer: four ASCII characters to a token,
 * one token for every other character. It errs on the high side for Chinese, Japanese and Korean
 * (0.6–1.2 tokens a character with today's vocabularies), so a context never overflows by it.
 */
export function estimateTokens(text: string): number {
  // Outside ASCII most characters take three UTF-8 bytes for one UTF-16 unit.
  const wide = Math.ceil((Buffer.byteLength(text) - text.length) / 2);
  return Math.ceil((text.length - Math.min(wide, text.length)) / 4) + wide;
}

/** What an image is taken to cost; vendors charge 85 to about 1,600 tokens by size. */
export const IMAGE_TOKENS = 1_200;

/** What a message costs beside its text: role, separators. */
export const MESSAGE_TOKENS = 4;
