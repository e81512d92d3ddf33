/**
 * What a page is told of an upgrade that was refused before it reached a gateway. A page sees no HTTP status of
 * such an upgrade, so the socket is opened and closed again with one of these codes; the reason is a word of the table.
 */

interface ReasonRow {
  readonly code: 4401 | 4403 | 4404 | 4429 | 4502 | 4503 | 4504;
  readonly when: string;
}

export const REASONS = {
  token_missing: { code: 4401, when: 'the URL carries no token' },
  token_invalid: {
    code: 4401,
    when: 'the token is not one that the portal made, or does not stand alone in the query',
  },
  token_expired: { code: 4401, when: 'the token is older than its lifetime' },
  token_used: { code: 4401, when: 'the token has opened a socket before' },
  instance_mismatch: { code: 4403, when: 'the token is for another instance than the URL' },
  no_permission: { code: 4403, when: 'the user has no right to the instance' },
  instance_disabled: { code: 4403, when: 'the operator has switched the instance off' },
  user_disabled: { code: 4403, when: 'the operator has switched the user off' },
  origin_not_allowed: { code: 4403, when: 'the page is not of an allowed origin' },
  identity_invalid: { code: 4403, when: 'the portal named no usable user or session' },
  instance_unknown: { code: 4404, when: 'no gateway is mapped to the instance' },
  too_many: { code: 4429, when: 'too many handshakes or too many open sockets' },
  gateway_unavailable: { code: 4502, when: 'the gateway is not there or did not take the upgrade' },
  portal_unavailable: { code: 4503, when: 'the portal is not there, is too slow, or failed' },
  not_internal: { code: 4503, when: 'the portal does not know the proxy by its secret' },
  gateway_mute: { code: 4504, when: 'the gateway took the connection and said nothing' },
} as const satisfies Record<string, ReasonRow>;

export type Reason = keyof typeof REASONS;

/** By the HTTP status that the proxy would have sent; for what it has no own word for. */
const REASON_BY_STATUS = {
  401: 'token_invalid',
  403: 'no_permission',
  404: 'instance_unknown',
  429: 'too_many',
  502: 'gateway_unavailable',
  503: 'portal_unavailable',
  504: 'gateway_mute',
} as const satisfies Record<number, Reason>;

export type RefusedStatus = keyof typeof REASON_BY_STATUS;

export interface RefusalClose {
  readonly code: ReasonRow['code'];
  readonly reason: Reason;
}

/**
 * The close for a refused upgrade. A verify that answers 403 may mean the token, the right or the secret: its own
 * word decides there. Everywhere else the status does, and words that nobody defined never reach a page.
 */
export function refusalClose(status: RefusedStatus, word: string | undefined): RefusalClose {
  const decidedByWord = status === 401 || status === 403;
  const reason = decidedByWord && isReason(word) ? word : REASON_BY_STATUS[status];
  return { code: REASONS[reason].code, reason };
}

export function isRefusedStatus(status: number): status is RefusedStatus {
  return Object.hasOwn(REASON_BY_STATUS, status);
}

function isReason(word: string | undefined): word is Reason {
  return word !== undefined && Object.hasOwn(REASONS, word);
}
