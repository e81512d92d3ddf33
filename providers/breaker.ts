/**
 * A circuit breaker: a provider that keeps failing is left alone for a while, so that users do not
 * wait for it one after the other. After that one call probes it; the others go on without it until
 * the probe has come back.
 */

import type { FailureKind } from './errors.ts';

export interface BreakerOptions {
  /** Failures in a row that open it. */
  failures: number;
  /** How long it stays open the first time, in milliseconds; doubled by each probe that fails. */
  openMs: number;
  maxOpenMs: number;
  /** Milliseconds on a clock that never goes back. */
  now: () => number;
}

export const DEFAULT_BREAKER = { failures: 5, openMs: 5_000, maxOpenMs: 120_000 };

export type BreakerState = 'closed' | 'open' | 'half_open';

/** Leave for one call. Report exactly one end; further reports are ignored. */
export interface Permit {
  /**
   * The provider has begun to answer. An answer may take ten minutes: from its first word on nobody is kept away for
   * the sake of the probe. Until a call ends well, though, a single failure is enough to leave the provider alone again.
   */
  began(): void;
  /** The provider answered. */
  answered(): void;
  /** The provider did not do its work. */
  failed(): void;
  /** The call ended for a reason of its own (stopped, refused, never sent): nothing was learnt. */
  abandoned(): void;
}

export interface Breaker {
  state(): BreakerState;
  /**
   * Leave to call, or nothing while the provider is to be left alone. `force` always gives leave:
   * for the last candidate, since a call that may fail is better than none.
   */
  admit(force?: boolean): Permit | undefined;
}

/** Only these are the provider's own fault; the others say something about one user's request or key. */
const FAULTS: ReadonlySet<FailureKind> = new Set(['timeout', 'unavailable']);

/**
 * Reports how a call ended: without a failure, or with one of this kind. What is about one user's key,
 * request or quota neither opens the breaker nor closes it.
 */
export function report(permit: Permit, kind: FailureKind | undefined): void {
  if (kind === undefined) permit.answered();
  else if (FAULTS.has(kind)) permit.failed();
  else permit.abandoned();
}

export function createBreaker(options: BreakerOptions): Breaker {
  let failuresInRow = 0;
  let openMs = options.openMs;
  /** Set while open or half-open. */
  let openUntil: number | undefined;
  let probing = false;
  /** How often it has opened. */
  let openings = 0;

  const state = (): BreakerState => {
    if (openUntil === undefined) return 'closed';
    return probing || options.now() >= openUntil ? 'half_open' : 'open';
  };
  const close = () => {
    failuresInRow = 0;
    openMs = options.openMs;
    openUntil = undefined;
  };
  const open = () => {
    openings += 1;
    openUntil = options.now() + openMs;
    openMs = Math.min(openMs * 2, options.maxOpenMs);
  };

  /** How a call that was let through ends, told once. */
  class CallPermit implements Permit {
    readonly #openingsBefore = openings;
    /** The others wait for this one. */
    #isAwaited: boolean;
    #isReported = false;

    constructor(isProbe: boolean) {
      this.#isAwaited = isProbe;
    }

    began(): void {
      if (!this.#isAwaited) return;
      this.#endProbe();
      openUntil = undefined;
    }

    answered(): void {
      if (this.#isReported) return;
      close();
      this.abandoned();
    }

    failed(): void {
      if (this.#isReported) return;
      // Calls that began before it opened fail after it: they teach nothing new.
      if (openings === this.#openingsBefore) this.#count();
      this.abandoned();
    }

    abandoned(): void {
      this.#isReported = true;
      this.#endProbe();
    }

    #count(): void {
      failuresInRow += 1;
      const isEnough = openUntil === undefined && failuresInRow >= options.failures;
      if (this.#isAwaited || isEnough) open();
    }

    #endProbe(): void {
      if (this.#isAwaited) probing = false;
      this.#isAwaited = false;
    }
  }

  return {
    state,
    admit(force = false) {
      const now = state();
      if (now === 'closed') return new CallPermit(false);
      if (now === 'half_open' && !probing) {
        probing = true;
        return new CallPermit(true);
      }
      return force ? new CallPermit(false) : undefined;
    },
  };
}
