/** The portal's database: its tables, and transactions over them. */

import { backup } from './backup.ts';
import { openDatabase, openHasty } from './database.ts';
import { createInstances } from './instances.ts';
import { createLogins } from './logins.ts';
import { createProbe } from './probe.ts';
import { createSocketCloses } from './socket-closes.ts';
import { createUsers } from './users.ts';
import { createWebchatTokens } from './webchat-tokens.ts';

export { DatabaseFileError, forPeople } from './database.ts';

/** How long the probe waits for a lock: a command's write is done by then, in milliseconds. */
const PROBE_TIMEOUT_MS = 100;

export type Store = ReturnType<typeof openStore>;

/**
 * Opens the file at `path`; several processes may have it open.
 *
 * @throws {DatabaseFileError} if it cannot be used.
 */
export function openStore(path: string) {
  const db = openDatabase(path);
  const hasty = openHasty(path);
  const probing = openHasty(path, PROBE_TIMEOUT_MS);
  return {
    users: createUsers(db),
    instances: createInstances(db),
    logins: createLogins(db),
    socketCloses: createSocketCloses(db),
    /** On a connection of its own: outside of `transaction`. */
    webchatTokens: createWebchatTokens(hasty),
    /** All of `work` or nothing, and nobody else's write in between. Durable when it returns. */
    transaction: <T>(work: () => T): T => db.transaction(work).immediate(),
    /** Whether the file takes writes, as of now or of a second ago. */
    isWritable: createProbe(probing),
    backup: (to: string): Promise<void> => backup(db, to),
    close(): void {
      probing.close();
      hasty.close();
      db.close();
    },
  };
}
