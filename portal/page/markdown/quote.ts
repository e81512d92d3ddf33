/** A block quote that is still being written: what is quoted is a text of its own, and streams as one. */

import type { Token } from 'marked';
import type { MarkdownStream } from './blocks.ts';

export interface Quote {
  /**
   * The quote that begins at this place of the text and reaches to its end. Nothing if what stands
   * there is none, or has lines without the sign, which only a parser that sees all of it can judge.
   */
  read(whole: string, at: number): Token | undefined;
}

export function createQuote(createStream: () => MarkdownStream): Quote {
  let stream: MarkdownStream | undefined;
  let isNone = false;
  /** How far the text has been given to the stream. */
  let fed = 0;
  let inLine = false;

  /** False if there is a line that the sign does not begin. */
  const feed = (whole: string): boolean => {
    while (fed < whole.length) {
      if (!inLine) {
        const rest = whole.slice(fed, fed + 5);
        const [sign] = /^ {0,3}>(?: |(?=[^ \t]))/.exec(rest) ?? [];
        // A sign at the very end may still get its blank.
        if (sign === undefined) return /^ {0,3}>?$/.test(rest);
        fed += sign.length;
        inLine = true;
      }
      const end = whole.indexOf('\n', fed);
      const to = end < 0 ? whole.length : end + 1;
      stream ??= createStream();
      stream.append(whole.slice(fed, to));
      fed = to;
      inLine = end < 0;
    }
    return true;
  };

  return {
    read(whole, at) {
      if (isNone) return undefined;
      fed = Math.max(fed, at);
      if (!feed(whole)) isNone = true;
      if (isNone || !stream) return undefined;
      const { closed, open } = stream.read();
      return {
        type: 'blockquote',
        raw: whole.slice(at),
        text: stream.text(),
        tokens: [...closed, ...open],
      };
    },
  };
}
