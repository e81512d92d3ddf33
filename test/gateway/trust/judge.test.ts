import { describe, expect, it } from 'vitest';
import type { Header } from '../../../gateway/trust/headers.ts';
import { compileTrust, type TrustConfig } from '../../../gateway/trust/judge.ts';
import type { TrustRule } from '../../../gateway/trust/refusals.ts';
import { configure, headers, judge, ORIGIN, PROXY, ruleOf } from '../../support/upgrade.ts';

describe('an upgrade that is allowed', () => {
  it('speaks for the forwarded user, instance and session', () => {
    expect(judge(configure(), headers({ 'x-request-id': 'req-1' }))).toEqual({
      ok: true,
      principal: { userId: 'alice', instanceId: 'oc-1' },
      sessionKey: 'agent:main:main',
      origin: ORIGIN,
      clientAddress: PROXY,
      requestId: 'req-1',
    });
  });

  it('falls to the default instance and names no session when the proxy forwards neither', () => {
    for (const blank of [undefined, '']) {
      const sent = headers({ 'x-instance-id': blank, 'x-session-key': blank });
      expect(judge(configure(), sent)).toEqual({
        ok: true,
        principal: { userId: 'alice', instanceId: 'default' },
        origin: ORIGIN,
        clientAddress: PROXY,
      });
    }
  });

  it('needs no X-Forwarded-For, and is not swayed by any', () => {
    for (const spoof of ['127.0.0.1', '8.8.8.8', `8.8.8.8, ${PROXY}`, 'nonsense']) {
      const sent = headers({
        'x-forwarded-for': spoof,
        'x-real-ip': spoof,
        forwarded: `for=${spoof}`,
      });
      expect(judge(configure(), sent).ok).toBe(true);
      expect(ruleOf(judge(configure(), sent, '203.0.113.5'))).toBe('peer_untrusted');
    }
  });
});

describe('the rules', () => {
  const secret = { header: 'X-Proxy-Secret', value: 's3cret' };
  const withSecret = configure({ proxy: { secret } });
  const loopback = configure({ trustedProxies: ['127.0.0.0/8', '::1'] });
  const required = configure({ proxy: { requiredHeaders: ['X-Forwarded-Proto'] } });
  const declared = configure({ instances: { 'oc-1': 'main' } });
  const few = configure({ proxy: { allowUsers: ['alice', 'bob'] } });

  it.each<[string, TrustConfig, Header[], string, TrustRule | 'ok']>([
    ['an unknown peer', configure(), headers(), '203.0.113.5', 'peer_untrusted'],
    ['a peer without an address', configure(), headers(), '', 'peer_untrusted'],
    [
      'no trusted proxy at all',
      configure({ trustedProxies: [] }),
      headers(),
      PROXY,
      'peer_untrusted',
    ],
    [
      'loopback that is not listed',
      configure({ proxy: { allowLoopback: true } }),
      headers(),
      '127.0.0.1',
      'peer_untrusted',
    ],
    ['loopback listed, not allowed', loopback, headers(), '127.0.0.1', 'peer_loopback'],
    ['::1 listed, not allowed', loopback, headers(), '::1', 'peer_loopback'],
    [
      'loopback listed and allowed',
      configure({ trustedProxies: ['::1'], proxy: { allowLoopback: true } }),
      headers(),
      '::1',
      'ok',
    ],
    ['the mapped form of a listed peer', configure(), headers(), `::ffff:${PROXY}`, 'ok'],

    [
      'a second user header',
      configure(),
      [...headers(), ['x-user-id', 'alice']],
      PROXY,
      'header_duplicate',
    ],
    [
      'a second instance header',
      configure(),
      [...headers(), ['x-instance-id', 'oc-2']],
      PROXY,
      'header_duplicate',
    ],
    [
      'a second session header',
      configure(),
      [...headers(), ['x-session-key', 'other']],
      PROXY,
      'header_duplicate',
    ],
    [
      'a second Origin',
      configure(),
      [...headers(), ['origin', 'https://evil.example']],
      PROXY,
      'header_duplicate',
    ],
    [
      'an underscore look-alike',
      configure(),
      [...headers(), ['x_user_id', 'bob']],
      PROXY,
      'header_look_alike',
    ],
    [
      'a look-alike alone',
      configure(),
      headers({ 'x-user-id': undefined, x_user_id: 'bob' }),
      PROXY,
      'header_look_alike',
    ],
    [
      'a look-alike of the secret',
      withSecret,
      [...headers({ 'x-proxy-secret': 's3cret' }), ['x_proxy_secret', 's3cret']],
      PROXY,
      'header_look_alike',
    ],
    [
      'a second required header',
      required,
      [...headers({ 'x-forwarded-proto': 'https' }), ['x-forwarded-proto', 'http']],
      PROXY,
      'header_duplicate',
    ],
    [
      'a second header of no meaning',
      configure(),
      [...headers(), ['cookie', 'a'], ['cookie', 'b']],
      PROXY,
      'ok',
    ],

    ['the secret', withSecret, headers({ 'x-proxy-secret': 's3cret' }), PROXY, 'ok'],
    [
      'a wrong secret',
      withSecret,
      headers({ 'x-proxy-secret': 's3cres' }),
      PROXY,
      'secret_mismatch',
    ],
    [
      'a longer secret',
      withSecret,
      headers({ 'x-proxy-secret': 's3cret ' }),
      PROXY,
      'secret_mismatch',
    ],
    ['no secret', withSecret, headers(), PROXY, 'secret_mismatch'],
    ['an empty secret', withSecret, headers({ 'x-proxy-secret': '' }), PROXY, 'secret_mismatch'],

    ['no required header', required, headers(), PROXY, 'required_header_missing'],
    [
      'a blank required header',
      required,
      headers({ 'x-forwarded-proto': ' ' }),
      PROXY,
      'required_header_missing',
    ],
    ['the required header', required, headers({ 'x-forwarded-proto': 'https, http' }), PROXY, 'ok'],

    ['no user', configure(), headers({ 'x-user-id': undefined }), PROXY, 'user_missing'],
    ['an empty user', configure(), headers({ 'x-user-id': '' }), PROXY, 'user_missing'],
    ['a joined user', configure(), headers({ 'x-user-id': 'alice, bob' }), PROXY, 'user_invalid'],
    [
      'a user with a control character',
      configure(),
      headers({ 'x-user-id': 'al\u0001ice' }),
      PROXY,
      'user_invalid',
    ],
    [
      'an overlong user',
      configure(),
      headers({ 'x-user-id': 'u'.repeat(257) }),
      PROXY,
      'user_invalid',
    ],
    ['a user who is listed', few, headers(), PROXY, 'ok'],
    ['a user who is not', few, headers({ 'x-user-id': 'Alice' }), PROXY, 'user_not_allowed'],

    ['a declared instance', declared, headers(), PROXY, 'ok'],
    [
      'an undeclared instance',
      declared,
      headers({ 'x-instance-id': 'oc-2' }),
      PROXY,
      'instance_unknown',
    ],
    [
      'an instance called like a built-in',
      declared,
      headers({ 'x-instance-id': 'constructor' }),
      PROXY,
      'instance_unknown',
    ],
    [
      'no instance where they are declared',
      declared,
      headers({ 'x-instance-id': undefined }),
      PROXY,
      'instance_missing',
    ],
    [
      'no instance where the header is required',
      configure({ proxy: { requiredHeaders: ['x-instance-id'] } }),
      headers({ 'x-instance-id': undefined }),
      PROXY,
      'required_header_missing',
    ],
    [
      'an overlong instance',
      configure(),
      headers({ 'x-instance-id': 'i'.repeat(257) }),
      PROXY,
      'instance_invalid',
    ],

    ['no Origin', configure(), headers({ origin: undefined }), PROXY, 'origin_missing'],
    ['an opaque Origin', configure(), headers({ origin: 'null' }), PROXY, 'origin_missing'],
    [
      'another Origin',
      configure(),
      headers({ origin: 'https://evil.example' }),
      PROXY,
      'origin_not_allowed',
    ],
    [
      'an Origin with a listed prefix',
      configure(),
      headers({ origin: `${ORIGIN}.evil.example` }),
      PROXY,
      'origin_not_allowed',
    ],
    [
      'an Origin with a path',
      configure(),
      headers({ origin: `${ORIGIN}/` }),
      PROXY,
      'origin_not_allowed',
    ],
    [
      'an Origin of another scheme',
      configure(),
      headers({ origin: 'http://app.example' }),
      PROXY,
      'origin_not_allowed',
    ],
    [
      'joined Origins',
      configure(),
      headers({ origin: `${ORIGIN}, ${ORIGIN}` }),
      PROXY,
      'origin_not_allowed',
    ],
    [
      'no Origin allowed',
      configure({ allowedOrigins: [] }),
      headers(),
      PROXY,
      'origin_not_allowed',
    ],

    [
      'the longest session key',
      configure(),
      headers({ 'x-session-key': 'k'.repeat(512) }),
      PROXY,
      'ok',
    ],
    [
      'a longer one',
      configure(),
      headers({ 'x-session-key': 'k'.repeat(513) }),
      PROXY,
      'session_key_invalid',
    ],
    [
      'an unprintable one',
      configure(),
      headers({ 'x-session-key': 'k\u0000' }),
      PROXY,
      'session_key_invalid',
    ],
  ])('%s', (_name, config, sent, peer, expected) => {
    expect(ruleOf(judge(config, sent, peer))).toBe(expected);
  });

  it('come in order: each failure hides all later ones', () => {
    const config = configure({
      trustedProxies: ['127.0.0.1', PROXY],
      instances: { 'oc-1': 'main' },
      proxy: { secret, requiredHeaders: ['X-Extra'], allowUsers: ['alice'] },
    });
    const wrong: Record<string, string | undefined> = {
      'x-proxy-secret': 'wrong',
      'x-user-id': 'bob',
      'x-instance-id': 'oc-9',
      origin: 'https://evil.example',
      'x-session-key': ',',
    };
    const look: Header = ['x_user_id', 'bob'];
    const seen = [ruleOf(judge(config, [...headers(wrong), look], '8.8.8.8'))];
    seen.push(ruleOf(judge(config, [...headers(wrong), look], '127.0.0.1')));
    seen.push(ruleOf(judge(config, [...headers(wrong), look])));
    seen.push(ruleOf(judge(config, headers(wrong))));
    const repairs = [
      ['x-proxy-secret', 's3cret'],
      ['x-extra', 'here'],
      ['x-user-id', 'alice'],
      ['x-instance-id', 'oc-1'],
      ['origin', ORIGIN],
      ['x-session-key', 'main'],
    ] as const;
    for (const [name, value] of repairs) {
      wrong[name] = value;
      seen.push(ruleOf(judge(config, headers(wrong))));
    }
    expect(seen).toEqual([
      'peer_untrusted',
      'peer_loopback',
      'header_look_alike',
      'secret_mismatch',
      'required_header_missing',
      'user_not_allowed',
      'instance_unknown',
      'origin_not_allowed',
      'session_key_invalid',
      'ok',
    ]);
  });
});

it('a configuration with a bad proxy entry does not compile', () => {
  expect(() => compileTrust(configure({ trustedProxies: ['nginx'] }))).toThrow(TypeError);
});
