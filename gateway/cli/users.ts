/** `oc-gateway users export`: what the store holds of one person. */

import { exportUser } from '../../agents/sessions/user-export.ts';
import { onStore, type StoreFlags } from './db.ts';
import type { Io } from './io.ts';

/** Prints one JSON object a line. Exit code 1 if the store knows no such user. */
export async function usersExport(io: Io, flags: StoreFlags, userId: string): Promise<number> {
  return onStore(io, flags, (path) => {
    let lines = 0;
    for (const record of exportUser(path, userId)) {
      io.stdout.write(`${JSON.stringify(record)}\n`);
      lines += 1;
    }
    if (lines > 0) return 0;
    io.stderr.write(
      'oc-gateway: the store holds nothing of this user id; ids are case-sensitive\n',
    );
    return 1;
  });
}
