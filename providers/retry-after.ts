/** How long upstream asks us to wait, from its headers. */

/**
 * Milliseconds, never negative. `retry-after-ms` (OpenAI, Azure) is finer than `retry-after`, which
 * RFC 9110 §10.2.3 defines as seconds or as an HTTP date; what is neither is ignored.
 */
export function retryAfterMs(headers: Headers | undefined, now: number): number | undefined {
  const fine = decimal(headers?.get('retry-after-ms'));
  if (fine !== undefined) return Math.round(fine);
  const value = headers?.get('retry-after');
  const seconds = decimal(value);
  if (seconds !== undefined) return Math.round(seconds * 1000);
  if (!value || !/[a-z]/i.test(value)) return undefined;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function decimal(value: string | null | undefined): number | undefined {
  return value && /^\s*\d+(?:\.\d+)?\s*$/.test(value) ? Number(value) : undefined;
}
