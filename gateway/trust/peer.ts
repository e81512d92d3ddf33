/**
 * Addresses: who sits at the other end of the TCP connection. Only this address decides trust;
 * what headers or the PROXY protocol say about addresses can be forged.
 */

import ipaddr from 'ipaddr.js';

type Address = ReturnType<typeof ipaddr.parse>;
type Range = readonly [network: Address, bits: number];

/** An IPv4-mapped IPv6 range covers IPv4 addresses once it fixes the 96 bits of the mapping. */
const MAPPED_PREFIX = 96;

/**
 * The canonical spelling of an address: IPv4 dotted (also for IPv4-mapped IPv6, which is how a
 * dual-stack listener names IPv4 peers), IPv6 compressed. Undefined if `text` is no address.
 */
export function normalizeAddress(text: string): string | undefined {
  return parseAddress(text)?.toString();
}

/** True for 127.0.0.0/8, ::1 and the IPv4-mapped forms of the first. */
export function isLoopback(address: string): boolean {
  return parseAddress(address)?.range() === 'loopback';
}

/** True for an IP address or a CIDR range, in either family: what `trustedProxies` may hold. */
export function isProxyRange(text: string): boolean {
  return parseRange(text) !== undefined;
}

/**
 * A test for membership in a list of addresses and CIDR ranges, IPv4-mapped forms being equal to
 * IPv4. An IPv6 range never holds an IPv4 address, `::/0` included.
 * @throws TypeError on an entry that is neither: a typo must not silently trust fewer or others.
 */
export function compileProxies(list: readonly string[]): (address: string) => boolean {
  const ranges = list.map((entry) => {
    const range = parseRange(entry);
    if (!range) throw new TypeError(`${JSON.stringify(entry)} is no IP address and no CIDR range`);
    return range;
  });
  return (text) => {
    const address = parseAddress(text);
    return address !== undefined && ranges.some((range) => contains(range, address));
  };
}

function contains([network, bits]: Range, address: Address): boolean {
  return network.kind() === address.kind() && address.match(network, bits);
}

function parseAddress(text: string): Address | undefined {
  // The parser also takes octal, hexadecimal and shortened IPv4 ("010.1"), which mean other things elsewhere.
  if (!text.includes(':')) {
    return ipaddr.IPv4.isValidFourPartDecimal(text) ? ipaddr.IPv4.parse(text) : undefined;
  }
  return ipaddr.IPv6.isValid(text) ? ipaddr.process(text) : undefined;
}

function parseRange(text: string): Range | undefined {
  const slash = text.indexOf('/');
  if (slash === -1) {
    const address = parseAddress(text);
    return address && [address, address.kind() === 'ipv4' ? 32 : 128];
  }
  const network = text.slice(0, slash);
  const bits = prefixLength(text.slice(slash + 1));
  const address = parseAddress(network);
  if (!address || bits === undefined) return undefined;
  if (address.kind() === 'ipv6') return bits <= 128 ? [address, bits] : undefined;
  if (!network.includes(':')) return bits <= 32 ? [address, bits] : undefined;
  // Mapped, e.g. ::ffff:10.0.0.0/104: counted in IPv6 bits. A shorter prefix would also cover addresses that are not IPv4.
  return bits >= MAPPED_PREFIX && bits <= 128 ? [address, bits - MAPPED_PREFIX] : undefined;
}

function prefixLength(text: string): number | undefined {
  return /^(?:0|[1-9][0-9]{0,2})$/.test(text) ? Number(text) : undefined;
}
