import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compileProxies,
  isLoopback,
  isProxyRange,
  normalizeAddress,
} from '../../../gateway/trust/peer.ts';

const ipv4 = fc.ipV4();
const hextet = (a: string | undefined, b: string | undefined) =>
  ((Number(a) << 8) | Number(b)).toString(16).padStart(4, '0');
/** As a dual-stack listener spells an IPv4 peer. */
function mapped(address: string): string {
  const [a, b, c, d] = address.split('.');
  return `0000:0000:0000:0000:0000:ffff:${hextet(a, b)}:${hextet(c, d)}`;
}

const number = (address: string) =>
  address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);

describe('normalizeAddress', () => {
  it.each([
    ['0000:0000:0000:0000:0000:ffff:7f00:0001', '127.0.0.1'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['::FFFF:0a01:0203', '10.1.2.3'],
    ['35.243.76.69', '35.243.76.69'],
    ['0000:0000:0000:0000:0000:0000:0000:0001', '::1'],
    ['2001:0DB8::00ff', '2001:db8::ff'],
  ])('%s is %s', (text, expected) => {
    expect(normalizeAddress(text)).toBe(expected);
  });

  it.each(['', 'localhost', '127.1', '010.0.0.1', '0x7f.0.0.1', '1.2.3.4:80', '1.2.3.4 ', '::g'])(
    '%j is no address',
    (text) => {
      expect(normalizeAddress(text)).toBeUndefined();
    },
  );

  it('spells an IPv4 address and its mapped form alike', () => {
    fc.assert(
      fc.property(ipv4, (address) => {
        expect(normalizeAddress(mapped(address))).toBe(address);
        expect(normalizeAddress(address)).toBe(address);
      }),
    );
  });

  it('never throws', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:./%]*$/));
    fc.assert(
      fc.property(text, (address) => {
        expect(() => normalizeAddress(address)).not.toThrow();
      }),
    );
  });
});

describe('isLoopback', () => {
  it.each(['127.0.0.1', '127.255.255.254', '::1', '::ffff:127.0.0.1', mapped('127.9.9.9')])(
    '%s is loopback',
    (address) => expect(isLoopback(address)).toBe(true),
  );
  it.each(['128.0.0.1', '10.0.0.1', '::2', '::ffff:10.0.0.1', 'nonsense'])('%s is not', (address) =>
    expect(isLoopback(address)).toBe(false),
  );
});

describe('compileProxies', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1', '10.0.0.2', false],
    ['10.0.0.1', '::ffff:10.0.0.1', true],
    ['::ffff:10.0.0.1', '10.0.0.1', true],
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', mapped('10.2.3.4'), true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.7/24', '10.0.0.200', true],
    ['::ffff:10.0.0.0/104', '10.9.9.9', true],
    ['::ffff:10.0.0.0/104', '11.9.9.9', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['::/0', '203.0.113.9', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['2001:DB8::1', '2001:0db8:0000:0000:0000:0000:0000:0001', true],
  ])('%s and %s: %s', (entry, address, expected) => {
    expect(compileProxies([entry])(address)).toBe(expected);
  });

  it('trusts nobody when the list is empty, and no text that is not an address', () => {
    expect(compileProxies([])('127.0.0.1')).toBe(false);
    expect(compileProxies(['0.0.0.0/0', '::/0'])('')).toBe(false);
  });

  it.each([
    '',
    'proxy.example',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10/8',
    '::ffff:10.0.0.0/64',
    '10.0.0.0/8/8',
  ])('refuses %j', (entry) => {
    expect(isProxyRange(entry)).toBe(false);
    expect(() => compileProxies(['10.0.0.1', entry])).toThrow(TypeError);
  });

  it('agrees with arithmetic on every IPv4 range, in both spellings', () => {
    fc.assert(
      fc.property(ipv4, ipv4, fc.integer({ min: 0, max: 32 }), (network, address, bits) => {
        const size = 2 ** (32 - bits);
        const inside = Math.floor(number(network) / size) === Math.floor(number(address) / size);
        expect(compileProxies([`${network}/${bits}`])(address)).toBe(inside);
        expect(compileProxies([`::ffff:${network}/${bits + 96}`])(mapped(address))).toBe(inside);
      }),
    );
  });
});
