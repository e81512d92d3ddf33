/** `health`, `status`, `users.self`: about the gateway and about oneself. Never about other users. */

import { createHash } from 'node:crypto';
import { method } from './method.ts';

const NO_PARAMS = { type: 'object' } as const;

export const health = method('health', 'operator.read', NO_PARAMS, (_params, caller, services) => ({
  ok: true,
  ts: services.now(),
  durationMs: 0,
  defaultAgentId: caller.keys().instanceAgentId,
}));

export const status = method('status', 'operator.read', NO_PARAMS, (_params, caller, services) => {
  const { instanceAgentId } = caller.keys();
  const agent = services.catalog().agents.get(instanceAgentId);
  const mine = services.store.list(caller.principal, { limit: 1, offset: 0, archived: 'all' });
  return {
    runtimeVersion: services.version,
    uptimeMs: services.uptimeMs(),
    modelConfigured: (agent?.models.length ?? 0) > 0,
    sessions: { count: mine.total, defaults: { model: agent?.models[0]?.ref ?? null } },
  };
});

/** Bound of `UserProfile.id` in the published schema. */
const MAX_PROFILE_ID = 128;

/** Distinct for distinct users, however long their ids. */
function profileId(userId: string): string {
  if (userId.length <= MAX_PROFILE_ID) return userId;
  return createHash('sha256').update(userId).digest('hex');
}

export const usersSelf = method('users.self', 'operator.read', NO_PARAMS, (_params, caller) => ({
  profile: {
    id: profileId(caller.principal.userId),
    displayName: caller.principal.userId,
    avatarMime: null,
    mergedInto: null,
    createdAt: 0,
    updatedAt: 0,
    emails: [],
    githubIdentity: null,
    hasAvatar: false,
  },
}));
