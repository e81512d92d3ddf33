/**
 * Brings what was committed to the disk while the event loop goes on. SQLite would wait for the disk inside each
 * commit, and every user's tokens with it; here the commit only writes to the log, and a thread of Node's own
 * (libuv's pool) waits for fdatasync. What was committed before a sync began is durable when it ends.
 */

import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';
import type { Db } from './database.ts';

export interface LogSync {
  /** Calls back when all that is committed now is durable, or with why the disk refused. One at a time. */
  begin(done: (error: Error | null) => void): void;
  /** The same at once. @throws what the disk says. */
  atOnce(): void;
  close(): void;
}

/** @param db an open file with a write-ahead log. @throws if the log cannot be opened. */
export function createLogSync(db: Db): LogSync {
  // SQLite makes the log when the database is first read, and keeps it for as long as it is open.
  db.pragma('schema_version');
  const log = openSync(`${db.name}-wal`, 'r');
  // Linux tells a failure once to each description of a file (https://docs.kernel.org/core-api/errseq.html). By that of
  // the thread, a sync at once would pass for good while the thread is about to hear that the disk has failed. This one
  // may hear of a failure that is long over: then the log is distrusted once more than it need be.
  const ofAtOnce = openSync(`${db.name}-wal`, 'r');
  let busy = false;
  let closed = false;

  return {
    begin(done) {
      busy = true;
      fdatasync(log, (error) => {
        busy = false;
        if (closed) closeSync(log);
        done(error);
      });
    },
    atOnce: () => fdatasyncSync(ofAtOnce),
    close() {
      closed = true;
      closeSync(ofAtOnce);
      // The number must not come to mean another file while a thread still uses it.
      if (!busy) closeSync(log);
    },
  };
}
