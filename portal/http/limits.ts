/** How often somebody may ask. */

import type { FastifyInstance, FastifyRequest } from 'fastify';
import ipaddr from 'ipaddr.js';
import type { PortalConfig } from '../config-schema.ts';
import { ApiError } from './errors.ts';

/** Counts the request, and throws `rate_limited` if it is one too many. */
export type Limit = (request: FastifyRequest) => Promise<void>;

export interface Limits {
  readonly loginByAddress: Limit;
  readonly loginByUser: (request: FastifyRequest, username: string) => Promise<void>;
  readonly refreshByAddress: Limit;
  readonly sessionByUser: (request: FastifyRequest, userId: string) => Promise<void>;
}

const MINUTE_MS = 60_000;

/** Needs `@fastify/rate-limit` to be registered. */
export function createLimits(app: FastifyInstance, limits: PortalConfig['limits']): Limits {
  const byAddress = (max: number): Limit => limiter(app, max, (request) => addressKey(request.ip));
  const byName = (max: number) => {
    const names = new WeakMap<FastifyRequest, string>();
    const check = limiter(app, max, (request) => names.get(request) ?? '');
    return (request: FastifyRequest, name: string) => {
      names.set(request, name);
      return check(request);
    };
  };
  return {
    loginByAddress: byAddress(limits.loginsPerAddress),
    loginByUser: byName(limits.loginsPerUser),
    refreshByAddress: byAddress(limits.refreshesPerAddress),
    sessionByUser: byName(limits.sessionsPerUser),
  };
}

function limiter(
  app: FastifyInstance,
  max: number,
  keyGenerator: (request: FastifyRequest) => string,
): Limit {
  const count = app.createRateLimit({ max, timeWindow: MINUTE_MS, keyGenerator });
  return async (request) => {
    const result = await count(request);
    if (!result.isAllowed && result.isExceeded) {
      throw new ApiError('rate_limited', { retryAfter: Math.max(1, result.ttlInSeconds) });
    }
  };
}

/** One customer has a whole IPv6 /64, so that is what counts as an address. */
function addressKey(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/64`).toString();
}
