/** verify: what nginx asks before it lets a handshake through. */

import { digest } from '../secret.ts';
import type { Store } from '../store/store.ts';
import type { WebchatToken } from '../store/webchat-tokens.ts';

/** Sent as `X-Deny-Reason`. */
export const DENY_REASONS = [
  'not_internal',
  'token_missing',
  'token_invalid',
  'token_expired',
  'token_used',
  'instance_mismatch',
  'user_disabled',
  'instance_disabled',
  'no_permission',
] as const;

export type DenyReason = (typeof DENY_REASONS)[number];

export type Verdict =
  | { ok: true; userId: string; instanceId: string; sessionKey: string }
  | { ok: false; reason: DenyReason };

export interface VerifyParts {
  readonly store: Store;
  readonly reuseSeconds: number;
  readonly now: () => number;
}

/** Longer than any token that was ever made here. */
const LONGEST = 1024;

/** Synchronous: one read and, the first time, one write that does not wait for the disk. */
export function createVerifier({ store, reuseSeconds, now }: VerifyParts) {
  const { webchatTokens } = store;
  const deny = (reason: DenyReason): Verdict => ({ ok: false, reason });

  return function verify(token: string | undefined, instanceId: string | undefined): Verdict {
    if (token === undefined || token === '') return deny('token_missing');
    if (token.length > LONGEST) return deny('token_invalid');
    const key = digest(token);
    const found = webchatTokens.find(key);
    const at = now();
    const refused = refusal(found, instanceId, at, reuseSeconds * 1000);
    if (refused !== undefined || !found) return deny(refused ?? 'token_invalid');
    if (found.usedAt === null) webchatTokens.use(key, at);
    return {
      ok: true,
      userId: found.userId,
      instanceId: found.instanceId,
      sessionKey: found.sessionKey,
    };
  };
}

function refusal(
  token: WebchatToken | undefined,
  instanceId: string | undefined,
  at: number,
  reuseMs: number,
): DenyReason | undefined {
  if (!token) return 'token_invalid';
  // Another instance does not use the token up, so a wrong address does no harm.
  if (instanceId !== undefined && instanceId !== token.instanceId) return 'instance_mismatch';
  if (token.expiresAt <= at) return 'token_expired';
  if (token.usedAt !== null && at - token.usedAt > reuseMs) return 'token_used';
  if (token.userEnabled !== 1) return 'user_disabled';
  if (token.instanceEnabled !== 1) return 'instance_disabled';
  if (token.granted !== 1) return 'no_permission';
  if (token.loginAlive !== 1) return 'token_invalid';
  return undefined;
}
