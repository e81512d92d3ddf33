/**
 * Taking rights away. Whatever is taken away, the request to close the sockets that have it is
 * written in the same transaction, so that no crash can separate the two.
 */

import type { Grant } from './instances.ts';
import type { Store } from './store.ts';

/** Ends one sign-in and the user's sockets. False if it had ended before. */
export function endLogin(
  store: Store,
  login: { id: string; userId: string },
  now: number,
): boolean {
  return store.transaction(() => {
    if (!store.logins.end(login.id, now)) return false;
    store.socketCloses.request({ userId: login.userId }, now);
    return true;
  });
}

/** Ends all sign-ins of a user, and the sockets. */
export function signOutEverywhere(store: Store, userId: string, now: number): void {
  store.transaction(() => {
    store.logins.endAll(userId, now);
    store.socketCloses.request({ userId }, now);
  });
}

export function disableUser(store: Store, userId: string, now: number): void {
  store.transaction(() => {
    store.users.setEnabled(userId, false);
    signOutEverywhere(store, userId, now);
  });
}

/** The id stays taken for ever: the gateway still has that user's sessions. */
export function removeUser(store: Store, userId: string, now: number): void {
  store.transaction(() => {
    store.users.remove(userId, now);
    store.instances.revokeAll(userId);
    signOutEverywhere(store, userId, now);
  });
}

export function changePassword(store: Store, userId: string, hash: string, now: number): void {
  store.transaction(() => {
    store.users.setPassword(userId, hash);
    signOutEverywhere(store, userId, now);
  });
}

export function disableInstance(store: Store, instanceId: string, now: number): void {
  store.transaction(() => {
    const instance = store.instances.find(instanceId);
    if (instance) store.instances.put({ ...instance, enabled: false }, now);
    store.socketCloses.request({ instanceId }, now);
  });
}

/** With every right to it. */
export function removeInstance(store: Store, instanceId: string, now: number): void {
  store.transaction(() => {
    store.instances.remove(instanceId);
    store.socketCloses.request({ instanceId }, now);
  });
}

/** False if there was no such right. */
export function revokeGrant(store: Store, grant: Grant, now: number): boolean {
  return store.transaction(() => {
    if (!store.instances.revoke(grant)) return false;
    store.socketCloses.request(grant, now);
    return true;
  });
}
