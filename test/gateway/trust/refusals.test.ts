import { describe, expect, it } from 'vitest';
import { configure, headers, judge, PROXY, type TrustChanges } from '../../support/upgrade.ts';

describe('what a refused client is told', () => {
  it.each<[string, TrustChanges, Record<string, string | undefined>, string, object]>([
    [
      'user missing',
      {},
      { 'x-user-id': undefined },
      PROXY,
      { code: 'AUTH_UNAUTHORIZED', authReason: 'trusted_proxy_user_missing' },
    ],
    [
      'user not allowed',
      { proxy: { allowUsers: ['bob'] } },
      {},
      PROXY,
      { code: 'AUTH_UNAUTHORIZED', authReason: 'trusted_proxy_user_not_allowed' },
    ],
    [
      'header missing',
      { proxy: { requiredHeaders: ['X-Auth'] } },
      {},
      PROXY,
      { code: 'AUTH_UNAUTHORIZED', authReason: 'trusted_proxy_missing_header_X-Auth' },
    ],
    [
      'loopback',
      { trustedProxies: ['127.0.0.1'] },
      {},
      '127.0.0.1',
      { code: 'AUTH_UNAUTHORIZED', authReason: 'trusted_proxy_loopback_source' },
    ],
    [
      'untrusted',
      {},
      {},
      '8.8.8.8',
      { code: 'AUTH_UNAUTHORIZED', authReason: 'trusted_proxy_untrusted_source' },
    ],
    [
      'origin',
      {},
      { origin: 'https://evil.example' },
      PROXY,
      { code: 'CONTROL_UI_ORIGIN_NOT_ALLOWED', reason: 'origin not allowed' },
    ],
    [
      'no origin',
      {},
      { origin: undefined },
      PROXY,
      { code: 'CONTROL_UI_ORIGIN_NOT_ALLOWED', reason: 'origin missing or invalid' },
    ],
  ])('%s', (_name, changes, sent, peer, details) => {
    const decision = judge(configure(changes), headers(sent), peer);
    expect(decision).toMatchObject({ ok: false, error: { code: 'INVALID_REQUEST', details } });
    expect(decision).toHaveProperty(
      'closeReason',
      decision.ok ? undefined : decision.error.message,
    );
  });

  it('an unknown peer is refused at the upgrade, everybody else in the handshake', () => {
    expect(judge(configure(), headers(), '8.8.8.8')).toMatchObject({ stage: 'upgrade' });
    expect(judge(configure(), headers({ 'x-user-id': '' }))).toMatchObject({ stage: 'handshake' });
    const loopback = configure({ trustedProxies: ['127.0.0.1'] });
    expect(judge(loopback, headers(), '127.0.0.1')).toMatchObject({ stage: 'handshake' });
  });

  it('never repeats a value that was sent or expected', () => {
    const config = configure({
      instances: { 'hidden-instance': 'main' },
      proxy: { allowUsers: ['hidden-user'], secret: { header: 'x-s', value: 'hidden-secret' } },
      allowedOrigins: ['https://hidden.example'],
    });
    const sent = { 'x-user-id': 'sent-user', 'x-s': 'sent-secret', origin: 'https://sent.example' };
    for (const secret of ['sent-secret', 'hidden-secret']) {
      const decision = judge(config, headers({ ...sent, 'x-s': secret }));
      if (decision.ok) throw new Error('it was let in');
      const told = JSON.stringify([decision.error, decision.closeReason]);
      expect(told).not.toMatch(/hidden-|hidden\.|sent-|sent\./);
    }
  });
});
