/** Values that a pattern cannot judge well: each format says what is wrong and what to write instead. */

import ipaddr from 'ipaddr.js';
import { quote } from './problem.ts';

/** What is wrong with one value. */
interface Fault {
  /** Completes "<value> …": `is no IP address`. */
  readonly is: string;
  /** What to write instead, where the value itself tells. */
  readonly cure?: string;
}

export interface Format {
  /** Completes "write …". */
  readonly expects: string;
  /** Undefined if the value is fine. */
  check(value: string): Fault | undefined;
}

/** By the `format` of a schema. */
export const formats: Readonly<Record<string, Format>> = {
  origin: {
    expects: 'scheme://host or scheme://host:port, such as "https://chat.example.com"',
    check: checkOrigin,
  },
  'ip-or-cidr': {
    expects:
      'an address such as "10.0.0.7" or a network such as "10.0.0.0/24"; host names are not looked up',
    check: (value) => (parseNetwork(value) ? undefined : { is: 'is no IP address and no network' }),
  },
  'ip-address': {
    expects: 'an address of this machine, such as "10.0.0.5" or "::1"',
    check: (value) => (parseAddress(value) ? undefined : { is: 'is no IP address' }),
  },
  'http-url': {
    expects: 'the whole address, such as "https://one-api.example.com/v1"',
    check: checkHttpUrl,
  },
};

/** An IP network; a single address has the longest prefix. */
export interface Network {
  readonly address: ipaddr.IPv4 | ipaddr.IPv6;
  readonly prefix: number;
}

/** Reads `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`. An IPv4-mapped IPv6 network gives the IPv4 one. */
export function parseNetwork(text: string): Network | undefined {
  const [host = '', bits, ...rest] = text.split('/');
  const address = parseAddress(host);
  if (!address || rest.length > 0) return undefined;
  const width = address.kind() === 'ipv4' ? 32 : 128;
  const prefix = bits === undefined ? width : parsePrefix(bits, width);
  if (prefix === undefined) return undefined;
  const MAPPED_BITS = 96;
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && prefix >= MAPPED_BITS) {
    return { address: address.toIPv4Address(), prefix: prefix - MAPPED_BITS };
  }
  return { address, prefix };
}

export function isLoopback({ address }: Network): boolean {
  return address.range() === 'loopback';
}

export function isIPv6({ address }: Network): boolean {
  return address.kind() === 'ipv6';
}

// The library also reads "127.1" and "0x7f.1", which people write by mistake only.
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  if (!text.includes('%') && ipaddr.IPv6.isValid(text)) return ipaddr.IPv6.parse(text);
  return undefined;
}

function parsePrefix(bits: string, width: number): number | undefined {
  if (!/^\d{1,3}$/.test(bits)) return undefined;
  const prefix = Number(bits);
  return prefix <= width ? prefix : undefined;
}

function checkHttpUrl(value: string): Fault | undefined {
  const url = URL.parse(value);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return { is: 'is no address that starts with http:// or https://' };
  }
  if (url.username !== '' || url.password !== '') {
    return { is: 'holds a user name or password', cure: 'put the key into apiKey' };
  }
  return undefined;
}

function checkOrigin(value: string): Fault | undefined {
  if (value === '*') {
    return {
      is: 'would let every web page on the internet connect as its visitor',
      cure: 'list the origin of each page, such as "https://chat.example.com"',
    };
  }
  const url = URL.parse(value);
  if (url && (url.protocol === 'http:' || url.protocol === 'https:')) {
    if (url.origin === value) return undefined;
    return {
      is: 'is not what browsers send as origin, so it would never match',
      cure: `write ${quote(url.origin)}`,
    };
  }
  // Apps have schemes of their own, e.g. capacitor://localhost.
  const isOrigin = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@]+$/.test(value);
  return isOrigin ? undefined : { is: 'is no origin' };
}
