/** Who is signed in: the portal's tokens in localStorage, under the names that the portal uses. */

import { clearShelves, dropItem, readItem, writeItem } from './storage.ts';
import { fields, parseJson, text } from './wire.ts';

const ACCESS = 'sc_portal_token';
const REFRESH = 'sc_portal_refresh';
const USER = 'sc_portal_user';

export interface Tokens {
  readonly access: string;
  readonly refresh: string | undefined;
}

export function storedTokens(): Tokens | undefined {
  const access = readItem(ACCESS);
  if (!access) return undefined;
  return { access, refresh: readItem(REFRESH) };
}

/** The user comes first: another tab that sees the token then knows whose it is. */
export function storeSignIn(tokens: Tokens, user: { id: string; name: string } | undefined): void {
  if (user) writeItem(USER, `${user.id}\n${user.name}`);
  if (tokens.refresh === undefined) dropItem(REFRESH);
  else writeItem(REFRESH, tokens.refresh);
  writeItem(ACCESS, tokens.access);
}

/**
 * Whom the cached conversations belong to: the id, and the name to show. The token says it, if it is
 * a JWT: another page of the portal may have put it there for somebody else than the one we knew.
 */
export function signedInUser(): { id: string; name: string } | undefined {
  const tokens = storedTokens();
  if (!tokens) return undefined;
  const [known = '', name = ''] = (readItem(USER) ?? '').split('\n');
  const id = subjectOf(tokens.access) ?? known;
  return { id, name: id === known && name !== '' ? name : id };
}

/** Read, not verified: it only decides what of this device is shown. */
function subjectOf(jwt: string): string | undefined {
  const body = jwt.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/');
  if (body === undefined) return undefined;
  try {
    const bytes = Uint8Array.from(atob(body), (char) => char.codePointAt(0) ?? 0);
    return text(fields(parseJson(new TextDecoder().decode(bytes)))['sub']);
  } catch {
    return undefined;
  }
}

/** Calls when another tab signed in, out, or in as somebody else. Returns how to stop that. */
export function onSignInElsewhere(handler: () => void): () => void {
  const onStorage = ({ key }: StorageEvent) => {
    if (key === null || key === ACCESS || key === USER) handler();
  };
  addEventListener('storage', onStorage);
  // A page that the browser had put to sleep may have missed it.
  addEventListener('pageshow', handler);
  return () => {
    removeEventListener('storage', onStorage);
    removeEventListener('pageshow', handler);
  };
}

/** Whether whoever was signed in here may go on where they were: a sign-out forgets who it was. */
export function isUserKnown(): boolean {
  return readItem(USER) !== undefined;
}

/** Drops the tokens; what is kept of conversations waits for its user, or goes with `forgetUser`. */
export function dropTokens(): void {
  dropItem(ACCESS);
  dropItem(REFRESH);
}

/** Signing out on a shared computer leaves nothing of the user's to read. */
export function forgetUser(userId: string): void {
  dropTokens();
  dropItem(USER);
  clearShelves(userId);
}
