/** The forms of what passes through the proxy, written so that PCRE and JavaScript read them alike. Without anchors. */
export const PATTERNS = {
  /** A JWT or any base64url text. */
  token: '[A-Za-z0-9_.-]{16,1024}',
  /** ASCII only: other bytes reach different programs as different text. */
  userId: '[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,126}[A-Za-z0-9])?',
  sessionKey: '[A-Za-z0-9](?:[A-Za-z0-9._:@+/=-]{0,254}[A-Za-z0-9=])?',
  /** The portal's public API. Only these paths exist from outside, so its internal part never does, however it is spelt. */
  apiPath: '/api/v1/(?:auth|me)(?:/[A-Za-z0-9_-]+)+',
  pagePath: '/portal/chat/(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/)*(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*)?',
} as const;
