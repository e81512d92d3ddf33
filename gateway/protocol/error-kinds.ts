/** Kinds of failed runs as the wire knows them. */

import type { FailureKind } from '../../providers/errors.ts';

const KNOWN: ReadonlySet<FailureKind> = new Set([
  'refusal',
  'timeout',
  'rate_limit',
  'context_length',
]);

/** The wire knows five kinds; the rest is told apart by `errorDetail.failoverReason`. */
export function wireErrorKind(kind: FailureKind): string {
  return KNOWN.has(kind) ? kind : 'unknown';
}
