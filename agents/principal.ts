/**
 * Who is asking: read once at the WebSocket upgrade and immutable for the socket's life.
 * Everything that touches a session takes one, so a foreign session cannot be named.
 */
export interface Principal {
  /** 1–256 characters, no control characters (`gateway/trust` sees to it). */
  readonly userId: string;
  /** `default` when the proxy names no instance. */
  readonly instanceId: string;
}
