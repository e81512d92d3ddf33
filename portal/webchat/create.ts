/** session/create: a user's right to an instance, made into a token of one handshake. */

import { digest, newToken } from '../secret.ts';
import type { Instance } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import { sessionKey } from './session-key.ts';

export interface WebchatSession {
  readonly instance: Instance;
  readonly sessionKey: string;
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface CreateParts {
  readonly store: Store;
  readonly webchatSeconds: number;
  readonly now: () => number;
}

export function createWebchatSessions({ store, webchatSeconds, now }: CreateParts) {
  /** An instance that is not there and one without a right to it look the same. */
  return function create(
    who: { userId: string; loginId: string },
    instanceId: string,
  ): WebchatSession | 'no_permission' | 'instance_disabled' {
    const instance = store.instances.grantedTo(who.userId, instanceId);
    if (!instance) return 'no_permission';
    if (!instance.enabled) return 'instance_disabled';
    const key = sessionKey(who.userId, instance.id);
    const token = newToken();
    const expiresAt = now() + webchatSeconds * 1000;
    store.webchatTokens.add(digest(token), {
      loginId: who.loginId,
      userId: who.userId,
      instanceId: instance.id,
      sessionKey: key,
      expiresAt,
    });
    return { instance, sessionKey: key, token, expiresAt };
  };
}
