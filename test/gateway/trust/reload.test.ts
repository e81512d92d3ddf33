import { describe, expect, it } from 'vitest';
import { compileTrust, judgeUpgrade, retainFacts } from '../../../gateway/trust/judge.ts';
import type { TrustRule } from '../../../gateway/trust/refusals.ts';
import { configure, headers, PROXY, ruleOf, type TrustChanges } from '../../support/upgrade.ts';

describe('judging again after a reload', () => {
  const before = compileTrust(configure({ proxy: { requiredHeaders: ['X-Forwarded-Proto'] } }));
  const sent = headers({
    'x-forwarded-proto': 'https',
    cookie: 'c'.repeat(4000),
    'user-agent': 'browser',
    'x-request-id': 'r',
  });
  const kept = retainFacts(before, { peer: PROXY, headers: sent });

  it('keeps the identity headers and nothing else', () => {
    const names = kept.headers.map(([name]) => name);
    expect(names).toEqual([
      'origin',
      'x-user-id',
      'x-instance-id',
      'x-session-key',
      'x-forwarded-proto',
    ]);
  });

  it('decides on what was kept as it did on the whole', () => {
    const whole = judgeUpgrade(before, { peer: PROXY, headers: sent });
    const { requestId: _, ...expected } = whole;
    expect(judgeUpgrade(before, kept)).toEqual(expected);
  });

  it('keeps a look-alike too, so that it stays refused', () => {
    const facts = { peer: PROXY, headers: [...sent, ['x_user_id', 'bob'] as const] };
    expect(ruleOf(judgeUpgrade(before, retainFacts(before, facts)))).toBe('header_look_alike');
  });

  it.each<[string, TrustChanges, TrustRule]>([
    ['a proxy that was removed', { trustedProxies: ['10.0.0.1'] }, 'peer_untrusted'],
    ['a user who was removed', { proxy: { allowUsers: ['bob'] } }, 'user_not_allowed'],
    ['an instance that was removed', { instances: { 'oc-2': 'main' } }, 'instance_unknown'],
    ['an origin that was removed', { allowedOrigins: [] }, 'origin_not_allowed'],
    ['a header that was not kept', { proxy: { userHeader: 'X-Other' } }, 'user_missing'],
    ['a new secret', { proxy: { secret: { header: 'x-s', value: 'v' } } }, 'secret_mismatch'],
  ])('refuses %s', (_name, changes, rule) => {
    expect(ruleOf(judgeUpgrade(compileTrust(configure(changes)), kept))).toBe(rule);
  });
});
