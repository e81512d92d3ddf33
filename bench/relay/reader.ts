/** How a relay reads the upstream. */

/**
 * Asks the upstream and calls `onText` for every delta of its answer. Resolves at its end, and
 * without an error when it is aborted.
 */
export type Read = (
  message: string,
  signal: AbortSignal,
  onText: (text: string) => void,
) => Promise<void>;
