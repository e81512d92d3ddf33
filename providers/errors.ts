/**
 * The closed set of ways in which a model call fails. An adapter maps its SDK's errors to these;
 * everything above decides by `kind` and `retryable`, never by a vendor's wording.
 */

export type FailureKind =
  | 'auth'
  | 'rate_limit'
  | 'context_length'
  | 'refusal'
  | 'timeout'
  | 'unavailable'
  | 'bad_request'
  | 'aborted'
  | 'unknown';

export interface ProviderFailure {
  kind: FailureKind;
  /** The same call may succeed later, or with another model. */
  retryable: boolean;
  /** `models.providers` id. */
  provider: string;
  model: string;
  /** Upstream's HTTP status, if it answered. */
  status?: number;
  /** How long upstream asks us to wait, in milliseconds. */
  retryAfterMs?: number;
  /** A sentence for people. Holds no secret, no address and no upstream body. */
  message: string;
}
