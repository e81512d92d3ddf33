/**
 * Signing in, staying signed in, signing out.
 *
 * A refresh token is `<login id>.<random>`. One that is no longer kept still tells its login, so that
 * a traded token is known as stolen for as long as the login lives.
 */

import { randomUUID } from 'node:crypto';
import type { TokenLives } from '../config-schema.ts';
import { digest, newToken } from '../secret.ts';
import { endLogin } from '../store/access.ts';
import type { Store } from '../store/store.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { PasswordChecker } from './passwords.ts';

export interface SignedIn {
  readonly user: { readonly id: string; readonly name: string };
  readonly accessToken: string;
  readonly refreshToken: string;
}

export type SignInRefusal = 'invalid_credentials' | 'ticket_invalid' | 'user_disabled' | 'busy';

export interface SignIn {
  withPassword(username: string, password: string): Promise<SignedIn | SignInRefusal>;
  withTicket(ticket: string): Promise<SignedIn | SignInRefusal>;
  /** `reused`: the token was traded in too long ago, so its login ended. */
  refresh(token: string): Promise<SignedIn | 'invalid' | 'reused'>;
  /** Ends the login and closes the user's sockets. */
  signOut(claims: { userId: string; loginId: string }): void;
  /** The same for the login of a refresh token. False if nobody knows the token. */
  signOutByRefresh(token: string): boolean;
}

export interface SignInParts {
  readonly store: Store;
  readonly passwords: PasswordChecker;
  readonly accessTokens: AccessTokens;
  readonly lives: TokenLives;
  readonly now: () => number;
}

export function createSignIn({ store, passwords, accessTokens, lives, now }: SignInParts): SignIn {
  const { logins, users } = store;
  const refreshLife = lives.refreshSeconds * 1000;

  async function signedIn(
    user: { id: string; name: string },
    loginId: string,
    refreshToken: string,
  ): Promise<SignedIn> {
    const accessToken = await accessTokens.sign({ userId: user.id, loginId });
    return { user: { id: user.id, name: user.name }, accessToken, refreshToken };
  }

  /** `judged`: the password hash that was right, absent for a ticket. */
  async function start(userId: string, judged?: string): Promise<SignedIn | SignInRefusal> {
    const loginId = randomUUID();
    const refreshToken = newRefreshToken(loginId);
    const at = now();
    const user = store.transaction(() => {
      // Read again under the lock: hashing took a while, and much may have happened to the user.
      const found = users.find(userId);
      if (!found?.enabled) return 'user_disabled' as const;
      // A new password ends all logins, so none by the old one may begin after it.
      if (judged !== undefined && found.passwordHash !== judged)
        return 'invalid_credentials' as const;
      logins.start({ id: loginId, userId: found.id, now: at, expiresAt: at + refreshLife });
      logins.addRefresh(digest(refreshToken), loginId, at + refreshLife);
      return found;
    });
    return typeof user === 'string' ? user : signedIn(user, loginId, refreshToken);
  }

  function trade(
    token: string,
  ): { loginId: string; userId: string; next: string } | 'invalid' | 'reused' {
    const at = now();
    const key = digest(token);
    return store.transaction(() => {
      const known = logins.findRefresh(key);
      if (!known) return forgotten(token, at);
      if (known.endedAt !== null || known.expiresAt <= at) return 'invalid';
      const { loginId, userId } = known;
      if (known.usedAt !== null && at - known.usedAt > lives.refreshReuseSeconds * 1000) {
        // Either the page or a thief holds the token after this one; nobody can tell which.
        endLogin(store, { id: loginId, userId }, at);
        return 'reused';
      }
      if (!logins.userOf(loginId, userId, at)) return 'invalid';
      const next = newRefreshToken(loginId);
      logins.useRefresh(key, at);
      logins.addRefresh(digest(next), loginId, at + refreshLife);
      logins.prolong(loginId, at + refreshLife);
      return { loginId, userId, next };
    });
  }

  /** Of a login that lives, it was traded in so long ago that it is no longer kept. */
  function forgotten(token: string, at: number): 'invalid' | 'reused' {
    const loginId = loginOf(token);
    const userId = loginId === undefined ? undefined : logins.ownerOf(loginId, at);
    if (loginId === undefined || userId === undefined) return 'invalid';
    endLogin(store, { id: loginId, userId }, at);
    return 'reused';
  }

  return {
    async withPassword(username, password) {
      const user = users.find(username);
      const right = await passwords.check(password, user?.passwordHash);
      if (right === 'busy') return 'busy';
      if (!right || !user) return 'invalid_credentials';
      return start(user.id, user.passwordHash);
    },
    async withTicket(ticket) {
      const userId = logins.useTicket(digest(ticket), now());
      return userId === undefined ? 'ticket_invalid' : start(userId);
    },
    async refresh(token) {
      const traded = trade(token);
      if (typeof traded === 'string') return traded;
      const user = users.find(traded.userId);
      return user ? signedIn(user, traded.loginId, traded.next) : 'invalid';
    },
    signOut({ userId, loginId }) {
      endLogin(store, { id: loginId, userId }, now());
    },
    signOutByRefresh(token) {
      const known = logins.findRefresh(digest(token));
      if (!known) return false;
      endLogin(store, { id: known.loginId, userId: known.userId }, now());
      return true;
    },
  };
}

function newRefreshToken(loginId: string): string {
  return `${loginId}.${newToken()}`;
}

function loginOf(refreshToken: string): string | undefined {
  return /^([0-9a-f-]{36})\.[A-Za-z0-9_-]{43}$/.exec(refreshToken)?.[1];
}
