/** /api/v1/auth: login, refresh, logout. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { SignedIn, SignIn, SignInRefusal } from '../auth/sign-in.ts';
import type { Bearer } from './bearer.ts';
import { optionalText, readBody, requiredText } from './body.ts';
import { ApiError } from './errors.ts';
import type { Limits } from './limits.ts';

export interface AuthParts {
  readonly signIn: SignIn;
  readonly limits: Limits;
  readonly bearer: Bearer;
  readonly accessSeconds: number;
}

/** Seconds after which a turned-away login may be tried again. */
const BUSY_SECONDS = 2;

/** Longer than anything that is ever right. */
const LONGEST_NAME = 256;
const LONGEST_SECRET = 1024;

export function authRoutes(app: FastifyInstance, parts: AuthParts): void {
  const { signIn, limits, bearer } = parts;

  async function login(request: FastifyRequest) {
    await limits.loginByAddress(request);
    const body = readBody(request.body);
    const ticket = optionalText(body, 'ticket', LONGEST_SECRET);
    if (ticket !== undefined) return answer(await signIn.withTicket(ticket));
    const username = requiredText(body, 'username', LONGEST_NAME);
    const password = requiredText(body, 'password', LONGEST_SECRET);
    await limits.loginByUser(request, username.toLowerCase());
    return answer(await signIn.withPassword(username, password));
  }

  async function refresh(request: FastifyRequest) {
    await limits.refreshByAddress(request);
    const token = requiredText(readBody(request.body), 'refresh_token', LONGEST_SECRET);
    const refreshed = await signIn.refresh(token);
    if (refreshed === 'invalid' || refreshed === 'reused') throw new ApiError('refresh_invalid');
    return answer(refreshed);
  }

  async function logout(request: FastifyRequest, reply: FastifyReply) {
    const token = optionalText(readBody(request.body), 'refresh_token', LONGEST_SECRET);
    // Signing out must not fail because the access token expired meanwhile: the other one will do.
    const byRefresh = token !== undefined && signIn.signOutByRefresh(token);
    if (!byRefresh || request.headers.authorization !== undefined) {
      try {
        signIn.signOut(await bearer(request));
      } catch (error) {
        if (!byRefresh) throw error;
      }
    }
    return reply.code(204).send();
  }

  app.route({ method: 'POST', url: '/login', handler: login });
  app.route({ method: 'POST', url: '/refresh', handler: refresh });
  app.route({ method: 'POST', url: '/logout', handler: logout });

  function answer(result: SignedIn | SignInRefusal) {
    if (result === 'busy') throw new ApiError('rate_limited', { retryAfter: BUSY_SECONDS });
    if (typeof result === 'string') throw new ApiError(result);
    return {
      access_token: result.accessToken,
      token_type: 'Bearer',
      expires_in: parts.accessSeconds,
      refresh_token: result.refreshToken,
      user: result.user,
    };
  }
}
