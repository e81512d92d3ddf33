/** The addresses that portal.json holds, judged. */

import ipaddr from 'ipaddr.js';

export function isWsBase(text: string): boolean {
  const url = parse(text);
  if (!url || !['ws:', 'wss:'].includes(url.protocol) || !text.endsWith('/')) return false;
  return url.href === text;
}

/** The exact form in which browsers send it. */
export function isOrigin(
  text: string,
  protocols: readonly string[] = ['http:', 'https:'],
): boolean {
  const url = parse(text);
  if (!url || !protocols.includes(url.protocol)) return false;
  return `${url.protocol}//${url.host}` === text;
}

export function isIpRange(text: string): boolean {
  return ipaddr.isValid(text) || ipaddr.isValidCIDR(text);
}

/** `wss://api.example.com/oc-ws/` → `wss://api.example.com`. */
export function originOf(address: string): string {
  const url = new URL(address);
  return `${url.protocol}//${url.host}`;
}

function parse(text: string): URL | undefined {
  // Nothing that could end a header's directive, whatever the parser makes of it.
  if (!/^[A-Za-z0-9.:/[\]_%~-]+$/.test(text)) return undefined;
  const url = URL.parse(text);
  const bare = url && url.username === '' && url.password === '' && !/[?#]/.test(text);
  return bare ? url : undefined;
}
