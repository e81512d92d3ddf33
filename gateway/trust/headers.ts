/**
 * Headers that carry identity. Two of the same name, or one in another spelling, mean that
 * somebody other than the proxy wrote one of them: then neither is believed.
 */

/** One header as it arrived: name in lower case, value untouched. */
export type Header = readonly [name: string, value: string];

export type IdentityHeaders =
  | { readonly ok: true; readonly values: ReadonlyMap<string, string> }
  | { readonly ok: false; readonly problem: 'duplicate' | 'look_alike'; readonly header: string };

/**
 * Makes `X_User-Id`, `x.user.id` and `X-User-ID` alike. Servers and CGI environments fold names
 * in such ways, so a foreign spelling may have slipped past a proxy that removes the right one.
 */
export function foldName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-');
}

/**
 * Collects the headers named in `names` (folded). Refuses a header that appears twice or in a
 * spelling other than the folded one. Headers that are not named play no part.
 */
export function readIdentityHeaders(
  headers: readonly Header[],
  names: ReadonlySet<string>,
): IdentityHeaders {
  const values = new Map<string, string>();
  for (const [name, value] of headers) {
    const folded = foldName(name);
    if (!names.has(folded)) continue;
    if (name !== folded) return { ok: false, problem: 'look_alike', header: folded };
    if (values.has(folded)) return { ok: false, problem: 'duplicate', header: folded };
    values.set(folded, value);
  }
  return { ok: true, values };
}

/**
 * Whether a value can be an identity: 1 to `maxChars` printable ASCII characters, no space at
 * either end, no comma. Bytes outside ASCII reach different programs as different text. A comma is
 * how a proxy joins two headers of one name, so "a, b" cannot be told from a forgery. A portal
 * whose ids need either must encode them.
 */
export function isIdentityValue(value: string, maxChars: number): boolean {
  if (value.length === 0 || value.length > maxChars) return false;
  if (value.startsWith(' ') || value.endsWith(' ')) return false;
  return /^[ -+\--~]*$/.test(value);
}
