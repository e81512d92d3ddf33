/** A code block: plain while it grows, coloured when it is complete. */

import { useEffect, useState } from 'preact/hooks';
import { texts } from '../i18n.ts';
import type { Piece } from '../markdown/highlight.ts';
import { CopyButton } from './copy-button.tsx';

interface Props {
  readonly code: string;
  readonly language: string;
  readonly complete: boolean;
}

const coloured = new Map<string, readonly Piece[]>();
const MOST_KEPT = 200;

export function CodeBlock({ code, language, complete }: Props) {
  const t = texts.value;
  const pieces = useColours(code, language, complete);
  return (
    <figure class="code" dir="ltr">
      <figcaption>
        <span>{language}</span>
        <CopyButton text={code} label={t.copyCode} />
      </figcaption>
      {/* What scrolls must be reachable by keyboard. */}
      <pre tabIndex={0} role="region" aria-label={t.code(language)}>
        <code>{pieces ? pieces.map(paint) : plainPieces(code)}</code>
      </pre>
    </figure>
  );
}

/** Nothing while it is still being written. */
function useColours(code: string, language: string, complete: boolean) {
  const key = complete && language !== '' ? `${language}\n${code}` : '';
  const [pieces, setPieces] = useState(() => ({ key, found: coloured.get(key) }));
  useEffect(() => {
    if (key === '' || coloured.has(key)) {
      setPieces((before) => (before.key === key ? before : { key, found: coloured.get(key) }));
      return undefined;
    }
    let wanted = true;
    void import('../markdown/highlight.ts').then(({ highlight }) => {
      const found = highlight(code, language.toLowerCase());
      if (found) keep(key, found);
      if (wanted) setPieces({ key, found });
    });
    return () => {
      wanted = false;
    };
  }, [key]);
  return pieces.key === key ? pieces.found : coloured.get(key);
}

/** Lines that are one text node. A browser measures a text node as a whole again when it grows. */
const LINES = 24;

function plainPieces(code: string): string[] {
  const lines = code.split(/(?<=\n)/);
  const pieces: string[] = [];
  for (let at = 0; at < lines.length; at += LINES)
    pieces.push(lines.slice(at, at + LINES).join(''));
  return pieces;
}

function keep(key: string, pieces: readonly Piece[]): void {
  coloured.set(key, pieces);
  const [oldest] = coloured.keys();
  if (coloured.size > MOST_KEPT && oldest !== undefined) coloured.delete(oldest);
}

function paint(piece: Piece) {
  if (typeof piece === 'string') return piece;
  const { scope, pieces } = piece;
  if (scope === undefined) return <span>{pieces.map(paint)}</span>;
  return <span class={`hl-${scope.replaceAll('.', ' hl-')}`}>{pieces.map(paint)}</span>;
}
