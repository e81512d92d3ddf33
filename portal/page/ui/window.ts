/** Which rows of a long conversation are worth having in the document. */

export interface Range {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

/** Pixels above and below the visible part that are kept ready. */
const MARGIN = 1_500;
/** A row that was never measured. */
const GUESS = 120;
/** Rows beyond the wanted ones that may stay, so that the window does not move with every pixel. */
const SLACK = 8;

export interface Heights {
  get(key: string): number | undefined;
}

export function heightOf(
  keys: readonly string[],
  from: number,
  to: number,
  heights: Heights,
): number {
  let sum = 0;
  for (let at = from; at < to; at += 1) sum += heights.get(keys[at] ?? '') ?? GUESS;
  return sum;
}

/** The range to show; the one that is shown, if that still does. */
export function rangeFor(
  keys: readonly string[],
  heights: Heights,
  view: { readonly top: number; readonly height: number },
  shown: Range,
): Range {
  let from = 0;
  let y = 0;
  const first = view.top - MARGIN;
  while (from < keys.length - 1) {
    const height = heights.get(keys[from] ?? '') ?? GUESS;
    if (y + height >= first) break;
    y += height;
    from += 1;
  }
  let to = from;
  const last = view.top + view.height + MARGIN;
  while (to < keys.length && y < last) {
    y += heights.get(keys[to] ?? '') ?? GUESS;
    to += 1;
  }
  const covers = shown.from <= from && shown.to >= to && shown.to <= keys.length;
  const tight = from - shown.from <= SLACK && shown.to - to <= SLACK;
  return covers && tight ? shown : { from, to };
}
