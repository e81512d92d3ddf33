/** Who is signed in: the portal's tokens in localStorage, under the names that the portal uses. */

const ACCESS = 'sc_portal_token';
const REFRESH = 'sc_portal_refresh';
const USER = 'sc_portal_user';

export interface Tokens {
  readonly access: string;
  readonly refresh: string | undefined;
}

export function storedTokens(): Tokens | undefined {
  const access = localStorage.getItem(ACCESS);
  if (!access) return undefined;
  return { access, refresh: localStorage.getItem(REFRESH) ?? undefined };
}

export function storeTokens(tokens: Tokens): void {
  localStorage.setItem(ACCESS, tokens.access);
  if (tokens.refresh === undefined) localStorage.removeItem(REFRESH);
  else localStorage.setItem(REFRESH, tokens.refresh);
}

/** Whom the cached conversations belong to: the id, and the name to show. */
export function storedUser(): { id: string; name: string } | undefined {
  const [id, name] = (localStorage.getItem(USER) ?? '').split('\n');
  return id ? { id, name: name || id } : undefined;
}

export function storeUser(user: { id: string; name: string }): void {
  localStorage.setItem(USER, `${user.id}\n${user.name}`);
}

/** Drops the tokens; what is cached of conversations goes with `forgetEverything`. */
export function dropTokens(): void {
  localStorage.removeItem(ACCESS);
  localStorage.removeItem(REFRESH);
}

/** Signing out on a shared computer leaves nothing to read. */
export function forgetEverything(): void {
  dropTokens();
  localStorage.removeItem(USER);
  for (const storage of [localStorage, sessionStorage]) {
    for (const key of Object.keys(storage)) {
      if (key.startsWith('oc_chat:')) storage.removeItem(key);
    }
  }
}
