/** Access tokens: JWTs of a few minutes that say who asks and by which login. */

import { createSecretKey } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';

const ISSUER = 'oc-portal';
const AUDIENCE = 'oc-portal-api';
const TYPE = 'at+jwt';

export interface AccessClaims {
  readonly userId: string;
  readonly loginId: string;
}

export interface AccessTokens {
  sign(claims: AccessClaims): Promise<string>;
  verify(token: string): Promise<AccessClaims | 'expired' | 'invalid'>;
}

export interface AccessTokenOptions {
  readonly secret: string;
  readonly lifeSeconds: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export function createAccessTokens({ secret, lifeSeconds, now }: AccessTokenOptions): AccessTokens {
  const key = createSecretKey(secret, 'utf8');
  return {
    sign({ userId, loginId }) {
      const issuedAt = Math.floor(now() / 1000);
      return new SignJWT({ lid: loginId })
        .setProtectedHeader({ alg: 'HS256', typ: TYPE })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(userId)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + lifeSeconds)
        .sign(key);
    },
    async verify(token) {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: ['HS256'],
          issuer: ISSUER,
          audience: AUDIENCE,
          typ: TYPE,
          requiredClaims: ['sub', 'lid', 'exp', 'iat'],
          currentDate: new Date(now()),
        });
        const { sub, lid } = payload;
        return typeof sub === 'string' && typeof lid === 'string'
          ? { userId: sub, loginId: lid }
          : 'invalid';
      } catch (error) {
        if (error instanceof errors.JWTExpired) return 'expired';
        if (error instanceof errors.JOSEError) return 'invalid';
        throw error;
      }
    },
  };
}
