/** /api/v1/internal: what only nginx may ask, by a secret of its own. */

import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from '../log.ts';
import { compileSecret } from '../secret.ts';
import type { createVerifier, DenyReason } from '../webchat/verify.ts';

export interface InternalParts {
  readonly verify: ReturnType<typeof createVerifier>;
  readonly internalSecret: string;
  readonly log: Logger;
}

/** Named twice is no name: undefined where absent, null where it is no single text. */
function single(value: unknown): string | undefined | null {
  return value === undefined || typeof value === 'string' ? value : null;
}

/** nginx's, by which its log and this one belong together. */
export function requestId({ headers }: FastifyRequest): { requestId?: string } {
  const id = headers['x-request-id'];
  return typeof id === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(id) ? { requestId: id } : {};
}

/** Where a mistake of the operator's refuses everybody, or somebody asks who may not. */
const NOT_INTERNAL =
  "The request does not carry portal.json's internalSecret. If it was nginx that asked, render its files again with that secret.";

export function internalRoutes(app: FastifyInstance, parts: InternalParts): void {
  const isSecret = compileSecret(parts.internalSecret);

  app.get<{ Querystring: Record<string, unknown> }>('/webchat/verify', (request, reply) => {
    const deny = (reason: DenyReason) => {
      const line = { event: 'verify_denied', reason, ...requestId(request) };
      if (reason === 'not_internal') parts.log.warn({ ...line, message: NOT_INTERNAL });
      else parts.log.info(line);
      void reply.code(403).header('X-Deny-Reason', reason).send();
    };
    const secret = request.headers['x-internal-secret'];
    if (typeof secret !== 'string' || !isSecret(secret)) return deny('not_internal');
    const token = single(request.query['token']);
    const instanceId = single(request.query['instance_id']);
    if (token === null) return deny('token_invalid');
    if (instanceId === null) return deny('instance_mismatch');
    const verdict = parts.verify(token, instanceId);
    if (!verdict.ok) return deny(verdict.reason);
    void reply
      .header('X-User-ID', verdict.userId)
      .header('X-Instance-ID', verdict.instanceId)
      .header('X-Session-Key', verdict.sessionKey)
      .send();
  });
}
