/** Signing in, staying signed in, signing out. */

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

  async function start(userId: string): Promise<SignedIn | SignInRefusal> {
    const loginId = randomUUID();
    const refreshToken = newToken();
    const at = now();
    const user = store.transaction(() => {
      // Read again under the lock: hashing took a while, and somebody may have disabled the user.
      const found = users.find(userId);
      if (!found?.enabled) return undefined;
      logins.start({ id: loginId, userId: found.id, now: at, expiresAt: at + refreshLife });
      logins.addRefresh(digest(refreshToken), loginId, at + refreshLife);
      return found;
    });
    return user ? signedIn(user, loginId, refreshToken) : 'user_disabled';
  }

  function trade(
    token: string,
  ): { loginId: string; userId: string; next: string } | 'invalid' | 'reused' {
    const at = now();
    const key = digest(token);
    return store.transaction(() => {
      const known = logins.findRefresh(key);
      if (!known || known.endedAt !== null || known.expiresAt <= at) return 'invalid';
      const { loginId, userId } = known;
      if (known.usedAt !== null && at - known.usedAt > lives.refreshReuseSeconds * 1000) {
        // Either the page or a thief holds the token after this one; nobody can tell which.
        endLogin(store, { id: loginId, userId }, at);
        return 'reused';
      }
      if (!logins.userOf(loginId, userId, at)) return 'invalid';
      const next = newToken();
      logins.useRefresh(key, at);
      logins.addRefresh(digest(next), loginId, at + refreshLife);
      logins.prolong(loginId, at + refreshLife);
      return { loginId, userId, next };
    });
  }

  return {
    async withPassword(username, password) {
      const user = users.find(username);
      const right = await passwords.check(password, user?.passwordHash);
      if (right === 'busy') return 'busy';
      if (!right || !user) return 'invalid_credentials';
      return start(user.id);
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
