/** `oc-portal db backup`: users, instances and grants in one file, also while the portal serves. */

import { resolve } from 'node:path';
import type { Io } from './io.ts';
import { type StoreFlags, withStore } from './with-store.ts';

export function backupDatabase(io: Io, flags: StoreFlags, to: string): Promise<number> {
  return withStore(io, flags, async (store) => {
    const file = resolve(to);
    await store.backup(file);
    io.stdout.write(`${file}\n`);
  });
}
