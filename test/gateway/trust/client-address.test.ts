import { describe, expect, it } from 'vitest';
import type { Header } from '../../../gateway/trust/headers.ts';
import { configure, headers, judge, PROXY, type TrustChanges } from '../../support/upgrade.ts';

describe('the client address in the log', () => {
  it.each<[string, TrustChanges, Header[], string]>([
    ['the peer', {}, [], PROXY],
    ['the forwarded address', {}, [['x-forwarded-for', '198.51.100.7']], '198.51.100.7'],
    [
      'the rightmost that is no proxy',
      { trustedProxies: [PROXY, '10.0.0.0/8'] },
      [['x-forwarded-for', '1.1.1.1, 198.51.100.7, 10.0.0.3']],
      '198.51.100.7',
    ],
    [
      'the last of several headers',
      {},
      [
        ['x-forwarded-for', '1.1.1.1'],
        ['x-forwarded-for', '2.2.2.2'],
      ],
      '2.2.2.2',
    ],
    ['nothing left of garbage', {}, [['x-forwarded-for', '1.1.1.1, <script>']], PROXY],
    ['the peer, without the fallback', {}, [['x-real-ip', '198.51.100.9']], PROXY],
    [
      'X-Real-IP, with it',
      { allowRealIpFallback: true },
      [['x-real-ip', '198.51.100.9']],
      '198.51.100.9',
    ],
    [
      'the peer, when X-Real-IP is garbage',
      { allowRealIpFallback: true },
      [['x-real-ip', 'x']],
      PROXY,
    ],
  ])('is %s', (_name, changes, extra, expected) => {
    const decision = judge(configure(changes), [...headers(), ...extra]);
    expect(decision).toMatchObject({ ok: true, clientAddress: expected });
  });

  it('comes from the peer alone when the peer is not trusted', () => {
    const sent = headers({ 'x-forwarded-for': '1.1.1.1' });
    expect(judge(configure(), sent, '::ffff:8.8.8.8')).toMatchObject({ clientAddress: '8.8.8.8' });
  });

  it.each([['a b'], ['x'.repeat(129)], ['<b>'], ['']])('drops the request id %j', (id) => {
    expect(judge(configure(), headers({ 'x-request-id': id }))).not.toHaveProperty('requestId');
  });
});
