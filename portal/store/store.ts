/** The portal's database: its tables, and transactions over them. */

import { openDatabase, openHasty } from './database.ts';
import { createInstances } from './instances.ts';
import { createLogins } from './logins.ts';
import { createSocketCloses } from './socket-closes.ts';
import { createUsers } from './users.ts';
import { createWebchatTokens } from './webchat-tokens.ts';

export { DatabaseFileError, forPeople } from './database.ts';

export type Store = ReturnType<typeof openStore>;

/**
 * Opens the file at `path`; several processes may have it open.
 *
 * @throws {DatabaseFileError} if it cannot be used.
 */
export function openStore(path: string) {
  const db = openDatabase(path);
  const hasty = openHasty(path);
  const ping = db.prepare('SELECT count(*) FROM instances');
  return {
    users: createUsers(db),
    instances: createInstances(db),
    logins: createLogins(db),
    socketCloses: createSocketCloses(db),
    /** On a connection of its own: outside of `transaction`. */
    webchatTokens: createWebchatTokens(hasty),
    /** All of `work` or nothing, and nobody else's write in between. Durable when it returns. */
    transaction: <T>(work: () => T): T => db.transaction(work).immediate(),
    /** Whether the file answers. */
    ping(): boolean {
      try {
        ping.get();
        return true;
      } catch {
        return false;
      }
    },
    close(): void {
      hasty.close();
      db.close();
    },
  };
}
