/** Colours code. Loaded when the first code block closes; gives a tree, never HTML. */

import hljs from 'highlight.js/lib/common';
import { isFields, list, text } from '../wire.ts';

export type Piece =
  | string
  | { readonly scope: string | undefined; readonly pieces: readonly Piece[] };

/** Longer code stays plain: colouring it would hold the page up. */
const MOST_CHARS = 50_000;

/** Nothing if the language is unknown or the code too long. */
export function highlight(code: string, language: string): readonly Piece[] | undefined {
  if (code.length > MOST_CHARS || !hljs.getLanguage(language)) return undefined;
  const result: object = hljs.highlight(code, { language, ignoreIllegals: true });
  // The tree that the HTML would be made of; its name is private to highlight.js, so it is read with care.
  const emitter: unknown = Reflect.get(result, '_emitter');
  const root: unknown = isFields(emitter) ? emitter['rootNode'] : undefined;
  return isFields(root) ? piecesOf(root['children']) : undefined;
}

function piecesOf(children: unknown): Piece[] {
  return list(children).flatMap((child): Piece[] => {
    if (typeof child === 'string') return [child];
    if (!isFields(child)) return [];
    return [{ scope: text(child['scope']), pieces: piecesOf(child['children']) }];
  });
}
