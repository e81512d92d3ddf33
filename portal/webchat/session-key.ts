/** The session key: the same for a user and an instance, whenever and wherever it is made. */

import { createHash } from 'node:crypto';

/** `web-` and 32 hex digits. It says which session is meant; it gives nobody a right to it. */
export function sessionKey(userId: string, instanceId: string): string {
  const hex = createHash('sha256').update(`${userId}\n${instanceId}`, 'utf8').digest('hex');
  return `web-${hex.slice(0, 32)}`;
}
