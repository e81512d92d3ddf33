/** /api/v1/me: what the signed-in user may use. */

import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Instance } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import type { createWebchatSessions } from '../webchat/create.ts';
import type { Bearer } from './bearer.ts';
import { readBody } from './body.ts';
import { ApiError } from './errors.ts';
import type { Limits } from './limits.ts';

export interface MeParts {
  readonly store: Store;
  readonly bearer: Bearer;
  readonly limits: Limits;
  readonly createSession: ReturnType<typeof createWebchatSessions>;
  /** Ends in a slash. */
  readonly publicWsBase: string;
}

export function meRoutes(app: FastifyInstance, parts: MeParts): void {
  const { store, bearer, limits, createSession } = parts;

  async function instances(request: FastifyRequest) {
    const { userId } = await bearer(request);
    return { instances: store.instances.ofUser(userId).map(toPublic) };
  }

  async function create(request: FastifyRequest) {
    const who = await bearer(request);
    await limits.sessionByUser(request, who.userId);
    const instanceId = readBody(request.body)['instance_id'];
    if (instanceId === undefined || instanceId === null || instanceId === '') {
      throw new ApiError('instance_id_required');
    }
    if (typeof instanceId !== 'string') {
      throw new ApiError('bad_request', { detail: 'instance_id must be a string' });
    }
    const session = createSession(who, instanceId);
    if (typeof session === 'string') throw new ApiError(session);
    return {
      ws_url: `${parts.publicWsBase}${session.instance.id}`,
      session_key: session.sessionKey,
      token: session.token,
      expires_at: new Date(session.expiresAt).toISOString(),
      instance: toPublic(session.instance),
    };
  }

  app.route({ method: 'GET', url: '/instances', handler: instances });
  app.route({ method: 'POST', url: '/webchat/session/create', handler: create });
}

/** Where an instance runs is nobody's business but the operator's. */
function toPublic({ id, name, model, starters }: Instance) {
  return { id, name, ...(model !== undefined && { model }), starters };
}
