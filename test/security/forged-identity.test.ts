import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Header } from '../../gateway/trust/headers.ts';
import { compileTrust, judgeUpgrade, type TrustDecision } from '../../gateway/trust/judge.ts';
import { configure, headers, judge, ORIGIN, PROXY } from '../support/upgrade.ts';

const HONEST = { userId: 'alice', instanceId: 'oc-1' };

/** Names that a client may hope some server on the way reads as identity. */
const forgedName = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('user', 'instance', 'session'),
      fc.constantFrom('-', '_', '.', ' ', '--', ''),
      fc.constantFrom('-', '_', '.', ' ', '--', ''),
    )
    .map(([word, a, b]) => `x${a}${word}${b}${word === 'session' ? 'key' : 'id'}`),
  fc.constantFrom(
    'origin',
    'forwarded',
    'x-forwarded-for',
    'x-forwarded-user',
    'x-forwarded-host',
    'x-original-user-id',
    'x-real-ip',
    'proxy-authorization',
    'x-request-id',
    'cookie',
  ),
  fc.string({ maxLength: 20 }),
);
const forgedValue = fc.oneof(
  fc.constantFrom('mallory', 'alice', 'oc-2', '127.0.0.1', PROXY, 'https://evil.example', ''),
  fc.string({ maxLength: 40, unit: 'binary' }),
);
const forgery = fc.array(fc.tuple(forgedName, forgedValue), { maxLength: 8 });

/** Refused, or exactly the identity that the proxy verified. */
function believesOnlyTheProxy(decision: TrustDecision): boolean {
  return !decision.ok || JSON.stringify(decision.principal) === JSON.stringify(HONEST);
}

describe('whatever a client adds to what its proxy forwards', () => {
  it('never makes it somebody else', () => {
    fc.assert(
      fc.property(forgery, forgery, (before, after) => {
        const sent: Header[] = [...before, ...headers(), ...after];
        expect(believesOnlyTheProxy(judge(configure(), sent))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('never makes it somebody else when a server on the way joins headers of one name', () => {
    const ours = fc.constantFrom('x-user-id', 'x-instance-id', 'origin');
    fc.assert(
      fc.property(
        ours,
        fc.string({ minLength: 1, maxLength: 20 }),
        fc.boolean(),
        (name, value, first) => {
          const honest = Object.fromEntries(headers())[name] ?? '';
          const joined = first ? `${value}, ${honest}` : `${honest}, ${value}`;
          expect(judge(configure(), headers({ [name]: joined })).ok).toBe(false);
        },
      ),
    );
  });

  it('never gets past the address of its TCP connection', () => {
    const config = configure({ trustedProxies: [PROXY, '10.0.0.0/8', '::1'] });
    const policy = compileTrust(config);
    const peer = fc.ipV4().filter((address) => address !== PROXY && !address.startsWith('10.'));
    fc.assert(
      fc.property(peer, forgery, (address, forged) => {
        const decision = judgeUpgrade(policy, {
          peer: address,
          headers: [...headers(), ...forged],
        });
        expect(decision).toMatchObject({ ok: false, stage: 'upgrade', clientAddress: address });
      }),
    );
  });

  it('never makes the judge throw, whatever the bytes', () => {
    const anything = fc.array(
      fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })),
    );
    fc.assert(
      fc.property(fc.string(), anything, (peer, sent) => {
        expect(judge(configure(), sent, peer).ok).toBe(false);
        expect(judge(configure(), sent, PROXY).ok).toBe(false);
      }),
    );
  });
});

describe('an origin', () => {
  it('is allowed only letter by letter', () => {
    const near = fc.oneof(
      fc.string().map((tail) => ORIGIN + tail),
      fc.string().map((head) => head + ORIGIN),
      fc.constantFrom(
        ORIGIN.toUpperCase(),
        `${ORIGIN}:443`,
        'https://app.example.',
        '*',
        'https://*',
      ),
    );
    fc.assert(
      fc.property(near, (origin) => {
        expect(judge(configure(), headers({ origin })).ok).toBe(origin === ORIGIN);
      }),
    );
  });
});

describe('the shared secret', () => {
  const config = configure({ proxy: { secret: { header: 'X-Proxy-Secret', value: 's3cret' } } });

  it('is nothing but itself', () => {
    const guess = fc.oneof(
      fc.string(),
      fc.constantFrom('s3cre', 's3cret\0', 'S3CRET', 's3cret, s3cret'),
    );
    fc.assert(
      fc.property(guess, (value) => {
        const decision = judge(config, headers({ 'x-proxy-secret': value }));
        expect(decision.ok).toBe(value === 's3cret');
      }),
    );
  });
});
