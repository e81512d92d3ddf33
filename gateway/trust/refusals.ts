/**
 * The rules by which an upgrade is refused, and what the client is told. The rule goes to the log;
 * the client learns as much as OpenClaw's clients know how to show, and nothing of what was expected.
 */

import { closeReason } from '../protocol/close-codes.ts';
import { detailedError, type ProtocolError } from '../protocol/errors.ts';

export type TrustRule =
  | 'peer_untrusted'
  | 'peer_loopback'
  | 'header_duplicate'
  | 'header_look_alike'
  | 'secret_mismatch'
  | 'required_header_missing'
  | 'user_missing'
  | 'user_invalid'
  | 'user_not_allowed'
  | 'instance_missing'
  | 'instance_invalid'
  | 'instance_unknown'
  | 'origin_missing'
  | 'origin_not_allowed'
  | 'session_key_invalid';

export interface Refusal {
  readonly rule: TrustRule;
  /** The header that the rule is about, for the log. */
  readonly header?: string;
  /** Who was refused, as far as the proxy's word had been accepted by then; for the log. */
  readonly user?: string;
  readonly instance?: string;
  readonly error: ProtocolError;
  /** For the close frame. */
  readonly closeReason: string;
}

/** `authReason` by rule: OpenClaw's words where it has one for the case. */
export const AUTH_REASONS = {
  peer_untrusted: 'trusted_proxy_untrusted_source',
  peer_loopback: 'trusted_proxy_loopback_source',
  header_duplicate: 'trusted_proxy_header_invalid',
  header_look_alike: 'trusted_proxy_header_invalid',
  // The secret is what proves the proxy: without it, the source is not trusted.
  secret_mismatch: 'trusted_proxy_untrusted_source',
  required_header_missing: 'trusted_proxy_missing_header_',
  user_missing: 'trusted_proxy_user_missing',
  user_invalid: 'trusted_proxy_header_invalid',
  user_not_allowed: 'trusted_proxy_user_not_allowed',
  instance_missing: 'trusted_proxy_instance_missing',
  instance_invalid: 'trusted_proxy_header_invalid',
  instance_unknown: 'trusted_proxy_instance_unknown',
  session_key_invalid: 'trusted_proxy_header_invalid',
} as const satisfies Record<Exclude<TrustRule, 'origin_missing' | 'origin_not_allowed'>, string>;

const ORIGIN_REASONS = {
  origin_missing: 'origin missing or invalid',
  origin_not_allowed: 'origin not allowed',
} as const;

/** `header` is the configured name: it is logged, and appended for a missing required header. */
export function refuse(rule: TrustRule, header?: string): Refusal {
  const error = clientError(rule, header);
  return { rule, ...(header && { header }), error, closeReason: closeReason(error.message) };
}

function clientError(rule: TrustRule, header = ''): ProtocolError {
  if (rule === 'origin_missing' || rule === 'origin_not_allowed') {
    return detailedError(
      'CONTROL_UI_ORIGIN_NOT_ALLOWED',
      'origin not allowed (allow it in gateway.controlUi.allowedOrigins)',
      { reason: ORIGIN_REASONS[rule] },
    );
  }
  const suffix = rule === 'required_header_missing' ? header : '';
  return detailedError('AUTH_UNAUTHORIZED', 'unauthorized', {
    authReason: AUTH_REASONS[rule] + suffix,
  });
}
