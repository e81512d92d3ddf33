/** `oc-portal grants …`: who may use which instance. */

import { revokeGrant } from '../store/access.ts';
import type { Grant } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import type { Io } from './io.ts';
import { CommandError, type StoreFlags, table, withStore } from './with-store.ts';

export function addGrant(io: Io, flags: StoreFlags, wanted: Grant): Promise<number> {
  return withStore(io, flags, (store, { now }) => {
    const { userId, instanceId } = store.transaction(() => {
      const grant = existing(store, wanted);
      store.instances.grant(grant, now);
      return grant;
    });
    io.stdout.write(`${userId} may use ${instanceId}\n`);
  });
}

export function removeGrant(io: Io, flags: StoreFlags, wanted: Grant): Promise<number> {
  return withStore(io, flags, (store, { now }) => {
    const grant = existing(store, wanted);
    if (!revokeGrant(store, grant, now)) {
      throw new CommandError(`${grant.userId} has no right to ${grant.instanceId}`);
    }
    io.stdout.write(`${grant.userId} may no longer use ${grant.instanceId}\n`);
  });
}

export function listGrants(
  io: Io,
  flags: StoreFlags & { readonly json?: boolean },
): Promise<number> {
  return withStore(io, flags, (store) => {
    const grants = store.instances.grants();
    io.stdout.write(
      flags.json
        ? `${JSON.stringify(grants)}\n`
        : table(grants.map(({ userId, instanceId }) => [userId, instanceId])),
    );
  });
}

/** As the ids are written in their tables. */
function existing(store: Store, { userId, instanceId }: Grant): Grant {
  const user = store.users.find(userId);
  if (!user)
    throw new CommandError(`there is no user ${JSON.stringify(userId)}; see: oc-portal users list`);
  if (!store.instances.find(instanceId)) {
    throw new CommandError(
      `there is no instance ${JSON.stringify(instanceId)}; see: oc-portal instances list`,
    );
  }
  return { userId: user.id, instanceId };
}
