/** When a failed call is made again, and after how long. Only ever before the first token. */

import type { ProviderFailure } from './errors.ts';

export interface RetryPolicy {
  /** Calls of one model, the first included. */
  attempts: number;
  /** Mean pause before the second call in milliseconds; each further one is twice as long. */
  firstDelayMs: number;
  /** Nobody is kept waiting longer than this in one pause, whatever upstream asks. */
  maxDelayMs: number;
}

/** HTTP 402. */
const NO_CREDIT = 402;

export const DEFAULT_RETRY: RetryPolicy = { attempts: 3, firstDelayMs: 500, maxDelayMs: 8_000 };

/**
 * Milliseconds to wait before the same model is called again, or nothing if it should not be: then
 * the next model's turn has come, or the failure is told. `attempt` counts from 1 and is the one
 * that failed; `random` is uniform in [0, 1).
 *
 * Pauses are jittered by a half either way, so that those who failed together do not return
 * together. A `Retry-After` is a lower bound. One that is longer than `maxDelayMs` means that
 * waiting is of no use; neither is it after a silence, which has cost its whole timeout already, nor for an account
 * without credit.
 */
export function retryDelay(
  failure: ProviderFailure,
  attempt: number,
  random: () => number,
  policy: RetryPolicy = DEFAULT_RETRY,
): number | undefined {
  if (!failure.retryable || attempt >= policy.attempts) return undefined;
  const wasSilence = failure.kind === 'timeout' && failure.status === undefined;
  if (wasSilence || failure.status === NO_CREDIT) return undefined;
  const asked = failure.retryAfterMs ?? 0;
  if (asked > policy.maxDelayMs) return undefined;
  const backoff = policy.firstDelayMs * 2 ** (attempt - 1) * (0.5 + random());
  const pause = asked > 0 ? asked + policy.firstDelayMs * random() : backoff;
  return Math.min(pause, policy.maxDelayMs);
}
