/** Who asks: the access token of a request, judged against the database of now. */

import type { FastifyRequest } from 'fastify';
import type { AccessClaims, AccessTokens } from '../auth/access-tokens.ts';
import type { Store } from '../store/store.ts';
import { ApiError } from './errors.ts';

/** @throws {ApiError} `unauthorized` or `token_expired`. */
export type Bearer = (request: FastifyRequest) => Promise<AccessClaims>;

export function createBearer(store: Store, accessTokens: AccessTokens, now: () => number): Bearer {
  return async (request) => {
    const token = /^Bearer +([A-Za-z0-9_.-]{1,4096})$/i.exec(
      request.headers.authorization ?? '',
    )?.[1];
    if (token === undefined) throw new ApiError('unauthorized');
    const claims = await accessTokens.verify(token);
    if (claims === 'expired') throw new ApiError('token_expired');
    if (claims === 'invalid') throw new ApiError('unauthorized');
    // A logout counts at once, not when the token expires.
    if (!store.logins.userOf(claims.loginId, claims.userId, now())) {
      throw new ApiError('unauthorized');
    }
    return claims;
  };
}
