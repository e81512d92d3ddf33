/** What one commit does of a long work: a few milliseconds' worth, so that nobody waits behind it. */

/** Rows of one slice, and bytes of what they hold. */
export const SLICE = { rows: 100, bytes: 1024 * 1024 };

/** How many of them, from the first on, take at most so many bytes together; one that `mustFit` does in any case. */
export function fitting(sizes: readonly number[], maxBytes: number, mustFit: boolean) {
  let count = 0;
  let bytes = 0;
  for (const size of sizes) {
    if (bytes + size > maxBytes && !(mustFit && count === 0)) break;
    bytes += size;
    count += 1;
  }
  return { count, bytes };
}

/** In groups of few bytes each; what is large is a group of its own. */
export function inSlices<T extends { bytes: number }>(all: readonly T[]): T[][] {
  const slices: T[][] = [];
  let rest = all;
  while (rest.length > 0) {
    const sizes = rest.slice(0, SLICE.rows).map(({ bytes }) => bytes);
    const { count } = fitting(sizes, SLICE.bytes, true);
    slices.push(rest.slice(0, count));
    rest = rest.slice(count);
  }
  return slices;
}
