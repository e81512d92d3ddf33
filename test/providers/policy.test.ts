/** Retries, the circuit breaker and the fair queue: pure, on a clock of the test. */

import {
  array,
  assert,
  asyncProperty,
  constantFrom,
  double,
  integer,
  property,
  record,
} from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { type BreakerOptions, createBreaker, report } from '../../providers/breaker.ts';
import type { ProviderFailure } from '../../providers/errors.ts';
import { type Admission, createFairQueue } from '../../providers/fair-queue.ts';
import { DEFAULT_RETRY, retryDelay } from '../../providers/retry.ts';

const failure = (more: Partial<ProviderFailure>): ProviderFailure => ({
  kind: 'unavailable',
  retryable: true,
  provider: 'p',
  model: 'm',
  message: '',
  ...more,
});

describe('a retry', () => {
  const middle = () => 0.5;

  it('waits twice as long each time, and ends', () => {
    const waits = [1, 2, 3].map((attempt) => retryDelay(failure({}), attempt, middle));
    expect(waits).toEqual([500, 1_000, undefined]);
  });

  it('is not made of what would fail again', () => {
    expect(retryDelay(failure({ kind: 'auth', retryable: false }), 1, middle)).toBeUndefined();
  });

  it('is not made after a silence, which has cost its time, but is after a 504', () => {
    expect(retryDelay(failure({ kind: 'timeout' }), 1, middle)).toBeUndefined();
    expect(retryDelay(failure({ kind: 'timeout', status: 504 }), 1, middle)).toBe(500);
  });

  it('is not made of an account without credit: another model may have some', () => {
    const broke = failure({ kind: 'rate_limit', status: 402 });
    expect(retryDelay(broke, 1, middle)).toBeUndefined();
    expect(retryDelay({ ...broke, status: 429 }, 1, middle)).toBe(500);
  });

  it('never comes before Retry-After, and not at all if that is too far', () => {
    assert(
      property(
        integer({ min: 1, max: 20_000 }),
        double({ min: 0, max: 0.999, noNaN: true }),
        (asked, r) => {
          const wait = retryDelay(failure({ kind: 'rate_limit', retryAfterMs: asked }), 1, () => r);
          if (asked > DEFAULT_RETRY.maxDelayMs) expect(wait).toBeUndefined();
          else expect(wait).toBeGreaterThanOrEqual(asked);
        },
      ),
    );
  });

  it('is jittered within its bounds', () => {
    assert(
      property(
        integer({ min: 1, max: 2 }),
        double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, r) => {
          const mean = DEFAULT_RETRY.firstDelayMs * 2 ** (attempt - 1);
          const wait = retryDelay(failure({}), attempt, () => r);
          expect(wait).toBeGreaterThanOrEqual(mean / 2);
          expect(wait).toBeLessThan(mean * 1.5);
        },
      ),
    );
  });
});

function breakerAt(options: Partial<BreakerOptions> = {}) {
  let time = 0;
  const breaker = createBreaker({
    failures: 3,
    openMs: 100,
    maxOpenMs: 300,
    now: () => time,
    ...options,
  });
  const fail = (times: number) => {
    for (let left = times; left > 0; left -= 1) breaker.admit()?.failed();
  };
  return { breaker, fail, pass: (ms: number) => void (time += ms) };
}

describe('the circuit breaker', () => {
  it('opens after failures in a row, and not before', () => {
    const { breaker, fail } = breakerAt();
    fail(2);
    breaker.admit()?.answered();
    fail(2);
    expect(breaker.state()).toBe('closed');
    fail(1);
    expect(breaker.state()).toBe('open');
    expect(breaker.admit()).toBeUndefined();
  });

  it('lets one probe through, and closes when that is answered', () => {
    const { breaker, fail, pass } = breakerAt();
    fail(3);
    pass(99);
    expect(breaker.admit()).toBeUndefined();
    pass(1);
    const probe = breaker.admit();
    expect(probe).toBeDefined();
    expect(breaker.state()).toBe('half_open');
    expect(breaker.admit()).toBeUndefined();
    probe?.answered();
    expect(breaker.state()).toBe('closed');
    fail(2);
    expect(breaker.state()).toBe('closed');
  });

  it('stays open twice as long after each probe that fails, up to a bound', () => {
    const { breaker, fail, pass } = breakerAt();
    fail(3);
    for (const wait of [100, 200, 300, 300]) {
      pass(wait - 1);
      expect(breaker.state()).toBe('open');
      pass(1);
      breaker.admit()?.failed();
      expect(breaker.state()).toBe('open');
    }
  });

  it('gives the probe to another when its caller goes away', () => {
    const { breaker, fail, pass } = breakerAt();
    fail(3);
    pass(100);
    breaker.admit()?.abandoned();
    expect(breaker.admit()).toBeDefined();
  });

  it('always lets the last candidate try, and learns from its success', () => {
    const { breaker, fail } = breakerAt();
    fail(3);
    const forced = breaker.admit(true);
    expect(forced).toBeDefined();
    forced?.answered();
    expect(breaker.state()).toBe('closed');
  });

  it('lets everyone through as soon as the probe begins to be answered', () => {
    const { breaker, fail, pass } = breakerAt();
    fail(3);
    pass(100);
    const probe = breaker.admit();
    probe?.began();
    expect(breaker.state()).toBe('closed');
    expect(breaker.admit()).toBeDefined();
    probe?.answered();
    fail(2);
    expect(breaker.state()).toBe('closed');
  });

  it('opens again, and for twice as long, if the answer to the probe breaks off', () => {
    const { breaker, fail, pass } = breakerAt();
    fail(3);
    pass(100);
    const probe = breaker.admit();
    probe?.began();
    probe?.failed();
    pass(199);
    expect(breaker.state()).toBe('open');
    pass(1);
    expect(breaker.state()).toBe('half_open');
  });

  it('opens again by any failure while the probe is being answered, and that one takes no other probe away', () => {
    const { breaker, fail, pass } = breakerAt();
    fail(3);
    pass(100);
    const slow = breaker.admit();
    slow?.began();
    fail(1);
    expect(breaker.state()).toBe('open');
    pass(200);
    expect(breaker.admit()).toBeDefined();
    slow?.failed();
    expect(breaker.state()).toBe('half_open');
    expect(breaker.admit()).toBeUndefined();
  });

  it('is not opened again, once a probe is being answered, by calls that began before', () => {
    const { breaker, fail, pass } = breakerAt();
    const early = breaker.admit();
    fail(3);
    pass(100);
    breaker.admit()?.began();
    early?.failed();
    expect(breaker.state()).toBe('closed');
  });

  it('counts answers that begin and break off', () => {
    const { breaker } = breakerAt();
    for (let times = 3; times > 0; times -= 1) {
      const permit = breaker.admit();
      permit?.began();
      permit?.failed();
    }
    expect(breaker.state()).toBe('open');
  });

  it('is not kept open longer by calls that began before it opened', () => {
    const { breaker, fail, pass } = breakerAt();
    const early = breaker.admit();
    fail(3);
    pass(50);
    early?.failed();
    pass(50);
    expect(breaker.state()).toBe('half_open');
  });

  it('counts each call once', () => {
    const { breaker } = breakerAt();
    const permit = breaker.admit();
    for (let times = 5; times > 0; times -= 1) permit?.failed();
    expect(breaker.state()).toBe('closed');
  });

  test.each([
    ['timeout', true],
    ['unavailable', true],
    ['auth', false],
    ['rate_limit', false],
    ['bad_request', false],
    ['context_length', false],
    ['refusal', false],
    ['aborted', false],
    ['unknown', false],
    [undefined, false],
  ] as const)('%s counts against the provider: %s', (kind, counts) => {
    const { breaker } = breakerAt({ failures: 1 });
    const permit = breaker.admit();
    if (permit) report(permit, kind);
    expect(breaker.state()).toBe(counts ? 'open' : 'closed');
  });
});

const unaborted = new AbortController().signal;

function release(admission: Admission | undefined): void {
  if (admission?.outcome === 'admitted') admission.release();
}

describe('the fair queue', () => {
  it('serves keys in turn, each in its own order', async () => {
    const queue = createFairQueue({ limit: () => 1, maxWaiting: 100 });
    const order: string[] = [];
    const first = await queue.enter('z', unaborted);
    const served = ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'].map(async (name) => {
      const admission = await queue.enter(name.slice(0, 1), unaborted);
      order.push(name);
      release(admission);
    });
    release(first);
    await Promise.all(served);
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
    expect([queue.active(), queue.waiting()]).toEqual([0, 0]);
  });

  it('lets go of whoever stops waiting', async () => {
    const queue = createFairQueue({ limit: () => 1, maxWaiting: 100 });
    const first = await queue.enter('a', unaborted);
    const controller = new AbortController();
    const gone = queue.enter('a', controller.signal);
    const stays = queue.enter('b', unaborted);
    controller.abort();
    expect(await gone).toEqual({ outcome: 'aborted' });
    release(first);
    expect(await stays).toMatchObject({ outcome: 'admitted' });
    expect(await queue.enter('a', AbortSignal.abort())).toEqual({ outcome: 'aborted' });
  });

  it('is full at its bound', async () => {
    const queue = createFairQueue({ limit: () => 1, maxWaiting: 1 });
    const first = await queue.enter('a', unaborted);
    const waits = queue.enter('a', unaborted);
    expect(await queue.enter('b', unaborted)).toEqual({ outcome: 'full' });
    release(first);
    release(first);
    expect(queue.active()).toBe(1);
    release(await waits);
    expect(queue.active()).toBe(0);
  });

  it('lets nobody overtake what is too heavy for now, nor holds anybody up for one that leaves', async () => {
    const queue = createFairQueue({ limit: () => 10, maxWaiting: 100 });
    const begun: string[] = [];
    const enter = async (name: string, weight: number, signal = unaborted) => {
      const admission = await queue.enter(name, signal, weight);
      if (admission.outcome === 'admitted') begun.push(name);
      return admission;
    };
    const first = await enter('a', 6);
    const leaving = new AbortController();
    const heavy = enter('b', 8, leaving.signal);
    const light = enter('c', 2);
    await Promise.resolve();
    expect(begun).toEqual(['a']);
    leaving.abort();
    await light;
    expect([begun, await heavy]).toEqual([['a', 'c'], { outcome: 'aborted' }]);
    // What is heavier than all has its turn alone.
    const whole = enter('d', 99);
    release(await light);
    release(first);
    await whole;
    expect(queue.active()).toBe(99);
    release(await whole);
    expect([queue.active(), queue.waiting()]).toEqual([0, 0]);
  });

  it('never exceeds its limit and serves everyone who stays, whatever happens', async () => {
    const visitor = record({
      key: constantFrom('a', 'b', 'c'),
      stays: constantFrom(true, true, false),
      share: constantFrom(1, 2),
    });
    await assert(
      asyncProperty(
        integer({ min: 1, max: 4 }),
        array(visitor, { maxLength: 30 }),
        async (limit, visitors) => {
          const queue = createFairQueue({ limit: () => limit, maxWaiting: 100 });
          let most = 0;
          const visits = visitors.map(async ({ key, stays, share }) => {
            const controller = new AbortController();
            const entering = queue.enter(key, controller.signal, Math.min(share, limit));
            if (!stays) controller.abort();
            const admission = await entering;
            most = Math.max(most, queue.active());
            await Promise.resolve();
            release(admission);
            return admission.outcome;
          });
          const outcomes = await Promise.all(visits);
          expect(most).toBeLessThanOrEqual(limit);
          expect(outcomes.filter((_, index) => visitors[index]?.stays)).not.toContain('aborted');
          expect([queue.active(), queue.waiting()]).toEqual([0, 0]);
        },
      ),
    );
  });
});
