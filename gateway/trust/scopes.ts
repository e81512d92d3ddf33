/** What a verified user may do: decided here, never by the client's word. */

const READ = 'operator.read';
const WRITE = 'operator.write';
const ADMIN = 'operator.admin';

/** Every user has these, on nothing but that user's own sessions. */
const EVERY_USER: readonly string[] = [READ, WRITE];

/**
 * The scopes of a connection, without duplicates, in a stable order: read and write for everyone,
 * plus `identityScopes[userId]`. A client that asks for scopes gets only what its request covers
 * (admin covers all, write covers read); one that asks for none gets all that its user has.
 */
export function grantScopes(
  identityScopes: Readonly<Record<string, readonly string[]>>,
  userId: string,
  requested: readonly string[] = [],
): readonly string[] {
  // Own keys only: a user may be called "constructor".
  const extra = Object.hasOwn(identityScopes, userId) ? (identityScopes[userId] ?? []) : [];
  const own = [...new Set([...EVERY_USER, ...extra])];
  return requested.length === 0 ? own : own.filter((scope) => coversScope(requested, scope));
}

/** Whether a connection with `scopes` may use what asks for `needed`. Admin covers all, write covers read. */
export function coversScope(scopes: readonly string[], needed: string): boolean {
  return (
    scopes.includes(needed) || scopes.includes(ADMIN) || (needed === READ && scopes.includes(WRITE))
  );
}
