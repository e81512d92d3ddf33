/**
 * Every error that a client can receive, in one place. `code` says what kind of failure it is and
 * is one of the three that OpenClaw's clients know; `details.code` names the exact case.
 * docs/protocol.md prints both tables; a test keeps the two alike.
 */

interface ErrorCodeRow {
  readonly meaning: string;
  readonly when: string;
  /** Sending the same request again later may succeed. */
  readonly retryable: boolean;
}

export const ERROR_CODES = {
  INVALID_REQUEST: {
    meaning: 'The request cannot be served as it stands.',
    when: 'a malformed frame, an unknown method, wrong params, a missing session, a refused handshake',
    retryable: false,
  },
  FORBIDDEN: {
    meaning: 'The connection was not granted the scope that the method needs.',
    when: 'a method outside the scopes in hello-ok',
    retryable: false,
  },
  UNAVAILABLE: {
    meaning: 'The gateway, its store or the model cannot serve the request now.',
    when: 'a restart, a full queue, a failing disk, no model configured, a bug',
    retryable: true,
  },
} as const satisfies Record<string, ErrorCodeRow>;

export type ErrorCode = keyof typeof ERROR_CODES;

interface DetailCodeRow {
  /** The error code that this case travels under. */
  readonly code: ErrorCode;
  readonly when: string;
  readonly retryable: boolean;
}

export const DETAIL_CODES = {
  AUTH_UNAUTHORIZED: {
    code: 'INVALID_REQUEST',
    when: 'the proxy or the identity that it forwarded is not acceptable; `authReason` says which rule',
    retryable: false,
  },
  CONTROL_UI_ORIGIN_NOT_ALLOWED: {
    code: 'INVALID_REQUEST',
    when: 'the page was served from an origin that is not in `gateway.controlUi.allowedOrigins`',
    retryable: false,
  },
  CONTROL_UI_DEVICE_IDENTITY_REQUIRED: {
    code: 'INVALID_REQUEST',
    when: '`connect` carries no `device` and the configuration asks for one',
    retryable: false,
  },
  DEVICE_AUTH_DEVICE_ID_MISMATCH: {
    code: 'INVALID_REQUEST',
    when: '`device.id` is not the SHA-256 of `device.publicKey`',
    retryable: false,
  },
  DEVICE_AUTH_SIGNATURE_EXPIRED: {
    code: 'INVALID_REQUEST',
    when: "`device.signedAt` is too far from the gateway's clock",
    retryable: false,
  },
  DEVICE_AUTH_NONCE_REQUIRED: {
    code: 'INVALID_REQUEST',
    when: '`device.nonce` is blank',
    retryable: false,
  },
  DEVICE_AUTH_NONCE_MISMATCH: {
    code: 'INVALID_REQUEST',
    when: "`device.nonce` is not the nonce of this connection's challenge",
    retryable: false,
  },
  DEVICE_AUTH_PUBLIC_KEY_INVALID: {
    code: 'INVALID_REQUEST',
    when: '`device.publicKey` is not a raw ed25519 key in base64url',
    retryable: false,
  },
  DEVICE_AUTH_SIGNATURE_INVALID: {
    code: 'INVALID_REQUEST',
    when: '`device.signature` does not sign what the handshake says',
    retryable: false,
  },
  PROTOCOL_MISMATCH: {
    code: 'INVALID_REQUEST',
    when: "the client's protocol range does not include 4",
    retryable: false,
  },
  ROLE_NOT_SERVED: {
    code: 'INVALID_REQUEST',
    when: 'the client connects with the role `node`, which this gateway does not serve',
    retryable: false,
  },
  MISSING_SCOPE: {
    code: 'FORBIDDEN',
    when: 'the method needs `missingScope`, which hello-ok did not grant',
    retryable: false,
  },
  UNKNOWN_AGENT_ID: {
    code: 'INVALID_REQUEST',
    when: 'a params field or a session key names an agent that this instance may not use',
    retryable: false,
  },
  UNKNOWN_MODEL: {
    code: 'INVALID_REQUEST',
    when: 'a params field names a model that is not configured',
    retryable: false,
  },
  SESSION_NOT_FOUND: {
    code: 'INVALID_REQUEST',
    when: 'the caller has no session of that key',
    retryable: false,
  },
  SESSION_EXISTS: {
    code: 'INVALID_REQUEST',
    when: "the key to create is taken by another of the caller's sessions",
    retryable: false,
  },
  STALE_SESSION: {
    code: 'INVALID_REQUEST',
    when: 'the session was reset since the client read it: `sessionId` is not the current one',
    retryable: false,
  },
  STALE_LEAF: {
    code: 'INVALID_REQUEST',
    when: 'the conversation moved on since the client read it: `expectedLeafEntryId` is not on its path',
    retryable: false,
  },
  ENTRY_NOT_FOUND: {
    code: 'INVALID_REQUEST',
    when: '`entryId` or `leafEntryId` names no message of the conversation, or one of the wrong kind',
    retryable: false,
  },
  SESSION_BUSY: {
    code: 'UNAVAILABLE',
    when: 'an answer is under way or waited for, and the request would take its place away: abort it first',
    retryable: true,
  },
  SEARCH_BUSY: {
    code: 'UNAVAILABLE',
    when: 'too many searches of this user and instance are under way',
    retryable: true,
  },
  ATTACHMENT_INVALID: {
    code: 'INVALID_REQUEST',
    when: 'an attachment is not base64, has no media type, or is of a kind that the model cannot read',
    retryable: false,
  },
  ATTACHMENT_TOO_LARGE: {
    code: 'INVALID_REQUEST',
    when: 'an attachment exceeds `policy.attachments` of hello-ok, or those of one message exceed `maxTotalBytes` together',
    retryable: false,
  },
  MODEL_NOT_CONFIGURED: {
    code: 'UNAVAILABLE',
    when: 'no model is configured for the agent (`agents.defaults.model`)',
    retryable: false,
  },
  QUEUE_FULL: {
    code: 'UNAVAILABLE',
    when: 'too many messages already wait in the session, or too many runs in the gateway',
    retryable: true,
  },
  SEND_RATE: {
    code: 'UNAVAILABLE',
    when: 'the user sent `gateway.limits.sendsPerMinute` messages within a minute, over all connections',
    retryable: true,
  },
  STORAGE_FULL: {
    code: 'UNAVAILABLE',
    when: 'what the user has stored reaches `gateway.limits.maxStoredBytesPerUser`: delete sessions first',
    retryable: false,
  },
  STORE_UNAVAILABLE: {
    code: 'UNAVAILABLE',
    when: 'the database cannot be written, or read (disk full, I/O error, locked)',
    retryable: true,
  },
  GATEWAY_DRAINING: {
    code: 'UNAVAILABLE',
    when: 'the gateway is about to stop and takes no new work; `reason` is `gateway-restarting`',
    retryable: true,
  },
  INTERNAL: {
    code: 'UNAVAILABLE',
    when: "a bug; the gateway's log has the cause",
    retryable: false,
  },
} as const satisfies Record<string, DetailCodeRow>;

export type DetailCode = keyof typeof DETAIL_CODES;

export interface ErrorDetails {
  readonly code: DetailCode;
  readonly [field: string]: unknown;
}

/** The `error` of a response frame. Absent `retryable` means no. */
export interface ProtocolError {
  readonly code: ErrorCode;
  /** A sentence for people, without secrets, paths or stack traces. */
  readonly message: string;
  readonly details?: ErrorDetails;
  readonly retryable?: true;
  /** Milliseconds to wait before the next attempt. */
  readonly retryAfterMs?: number;
}

export interface ErrorOptions {
  readonly details?: ErrorDetails;
  /** Overrides the tables. */
  readonly retryable?: boolean;
  /** Milliseconds; rounded up, never negative. */
  readonly retryAfterMs?: number;
}

/**
 * An error for a response frame. Whether it may be retried comes from its detail code, else from
 * its code, unless `options` says otherwise.
 */
export function protocolError(
  code: ErrorCode,
  message: string,
  options: ErrorOptions = {},
): ProtocolError {
  const { details, retryAfterMs } = options;
  const row = details ? DETAIL_CODES[details.code] : ERROR_CODES[code];
  return {
    code,
    message,
    ...(details && { details }),
    ...((options.retryable ?? row.retryable) && { retryable: true }),
    ...(retryAfterMs !== undefined && { retryAfterMs: Math.max(0, Math.ceil(retryAfterMs)) }),
  };
}

/** The error of a known case: its code comes from the table, `fields` join `details`. */
export function detailedError(
  detail: DetailCode,
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
  options: Omit<ErrorOptions, 'details'> = {},
): ProtocolError {
  return protocolError(DETAIL_CODES[detail].code, message, {
    ...options,
    details: { ...fields, code: detail },
  });
}
