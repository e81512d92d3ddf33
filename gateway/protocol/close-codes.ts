/**
 * Every way in which a connection ends, in one place. A close code alone says little, so each has
 * a reason that a person can read in the browser's console. docs/protocol.md prints the table; a
 * test keeps the two alike.
 */

export interface Close {
  readonly code: number;
  /** At most `MAX_REASON_BYTES` of UTF-8. */
  readonly reason: string;
}

interface CloseRow extends Close {
  readonly when: string;
  /** A client that reconnects by itself may succeed. */
  readonly reconnect: boolean;
}

/** What the gateway sends. */
export const CLOSES = {
  protocolMismatch: {
    code: 1002,
    reason: 'protocol mismatch',
    when: "the client's protocol range does not include 4; the error before it has both ranges",
    reconnect: false,
  },
  binaryFrame: {
    code: 1003,
    reason: 'binary frames are not supported',
    when: 'a binary frame arrived; every frame is JSON text',
    reconnect: false,
  },
  handshakeTimeout: {
    code: 1008,
    reason: 'handshake timeout',
    when: 'no `connect` within 15 s of the challenge',
    reconnect: true,
  },
  connectFirst: {
    code: 1008,
    reason: 'invalid handshake: first request must be connect',
    when: 'another request came before `connect`',
    reconnect: false,
  },
  invalidFrame: {
    code: 1008,
    reason: 'invalid request frame',
    when: 'before `connect`, a frame that is no request; afterwards, one too many of them',
    reconnect: false,
  },
  refused: {
    code: 1008,
    reason: 'unauthorized',
    when: 'the handshake was refused; the reason repeats the message of the error before it',
    reconnect: false,
  },
  trustRevoked: {
    code: 1008,
    reason: 'no longer allowed by the configuration',
    when: 'a configuration reload refuses what was allowed before',
    reconnect: true,
  },
  reconfigured: {
    code: 1012,
    reason: 'the configuration changed',
    when: 'a configuration reload gave the instance another agent, or the connection another main session; hello-ok of the next connection tells',
    reconnect: true,
  },
  tooManyRequests: {
    code: 1008,
    reason: 'too many requests',
    when: 'more than 5,000 requests of this connection waited, or more bytes of them than `policy.maxPayload`',
    reconnect: true,
  },
  slowConsumer: {
    code: 1008,
    reason: 'slow consumer',
    when: 'the client did not read what was sent to it; runs go on, and history has the answers',
    reconnect: true,
  },
  frameTooLarge: {
    code: 1009,
    reason: 'frame too large',
    when: 'a frame exceeds `policy.maxPayload`, or 64 KiB before `connect`',
    reconnect: false,
  },
  internalError: {
    code: 1011,
    reason: 'internal error',
    when: 'a bug in the gateway; its log has the cause',
    reconnect: true,
  },
  restart: {
    code: 1012,
    reason: 'gateway restarting',
    when: 'the gateway stops; the event `shutdown` came before',
    reconnect: true,
  },
  tooManyOfUser: {
    code: 4429,
    reason: 'too many connections of this user',
    when: 'the user has `gateway.limits.maxSocketsPerUser` connections; wait, or close some',
    reconnect: true,
  },
  tooManyOfAddress: {
    code: 4429,
    reason: 'too many connections from this address',
    when: 'too many connections of this address wait to be told why they are refused',
    reconnect: true,
  },
  tooManySockets: {
    code: 4429,
    reason: 'too many connections',
    when: 'the gateway has as many connections as it takes',
    reconnect: true,
  },
  accessRevoked: {
    code: 4003,
    reason: 'access revoked',
    when: "the portal ended the user's right to the instance, or had its sockets closed; its answer to the next session request tells why",
    reconnect: true,
  },
} as const satisfies Record<string, CloseRow>;

export type CloseName = keyof typeof CLOSES;

/** What others send, so that the documentation can explain what a log or a browser shows. */
export const FOREIGN_CLOSES = {
  normal: { code: 1000, when: 'the client closed the connection' },
  goingAway: { code: 1001, when: "the client's page or process went away" },
  abnormal: {
    code: 1006,
    when: 'no close frame arrived: the network or the proxy failed, the upgrade was refused, the peer stopped answering pings, its handshake was not finished when others needed the place, or a frame broke the WebSocket protocol, was not UTF-8, or exceeded `policy.maxPayload` by over 2 MiB',
  },
  clientTimeout: {
    code: 4000,
    when: 'the client saw no frame for two tick intervals, or no answer to `connect`',
  },
} as const;

/** RFC 6455 5.5: a control frame carries 125 bytes, of which the code takes two. */
export const MAX_REASON_BYTES = 123;

const encoder = new TextEncoder();

/**
 * The longest prefix of `text` that fits a close frame, never cut inside a character. The socket
 * library checks nothing: a longer reason would become an illegal frame.
 */
export function closeReason(text: string): string {
  // A lone surrogate has no UTF-8 form; the replacement character has the length that is counted.
  const wellFormed = text.toWellFormed();
  const { read } = encoder.encodeInto(wellFormed, new Uint8Array(MAX_REASON_BYTES));
  return wellFormed.slice(0, read);
}

/** A close whose reason is the message of the error that the client was just sent. */
export function closeFor(name: CloseName, message: string): Close {
  return { code: CLOSES[name].code, reason: closeReason(message) };
}
