/**
 * Group commit: all writes asked for within one turn of the event loop share one transaction, and all
 * transactions that end while the disk is busy share its next sync. Nobody hears of a write before that.
 */

import { createTurnBudget } from '../../providers/turn-budget.ts';
import type { Db } from './database.ts';
import { codeOf, faultOf } from './faults.ts';
import type { LogSync } from './log-sync.ts';
import { ELSEWHERE } from './place.ts';
import { StoreUnavailableError } from './store.ts';

/** Most operations of either kind in one commit: the rest waits for the next turn. */
const MAX_OPERATIONS = 256;

/** Most milliseconds that one commit spends on either kind. Answers must end, however much is asked. */
const MAX_MS = 2;
const BULK_MS = 1;

/** Milliseconds of a turn in which bulk writers are told: what they do then is theirs, and not little. */
const TELLING_MS = 1;

/** Between attempts to write while commits fail and nobody writes, in milliseconds. */
const PROBE_MS = 1_000;

/** Between attempts to begin while another process of this gateway commits, in milliseconds. */
const RETRY_MS = 1;

export interface GroupCommit {
  /**
   * Runs `operation`, which must be synchronous, in the next commit and resolves with what it
   * returned once that commit is durable. Operations run in the order of their submission, but for bulk ones.
   * If it throws, its own changes are undone and nobody else's.
   *
   * Rejects with `StoreUnavailableError` if the operation or the commit failed.
   */
  submit<T>(operation: () => T): Promise<T>;
  /**
   * The same for what nobody waits for with a finger on the key: others go first. Where two hundred answers end at
   * once, a message is not acknowledged behind all of them. In order among themselves.
   */
  submitBulk<T>(operation: () => T): Promise<T>;
  /** While commits fail: resolves when one succeeds, which is tried every second, or when closed. Else nothing. */
  recovery(): Promise<void> | undefined;
  /** Commits everything that waits, at once; refuses what comes later. */
  close(): void;
}

interface Waiting {
  /** Runs the operation; what it returns resolves the promise. */
  apply(): () => void;
  reject(error: StoreUnavailableError): void;
}

/** Committed, and not known to be on the disk. */
interface Committed {
  isBulk: boolean;
  /** How many failures had come before it. */
  failures: number;
  settle(): void;
  reject(error: StoreUnavailableError): void;
}

export interface GroupCommitOptions {
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
  /** Called when commits begin to fail, with the reason, and with nothing when they succeed again. */
  onHealth?: (failure: StoreUnavailableError | undefined) => void;
  probeMs?: number;
  /**
   * Other processes of this gateway write too: for so many milliseconds a commit waits for them, and the event
   * loop goes on meanwhile. 0: nobody else is expected, and SQLite's own short wait is enough.
   */
  patienceMs?: number;
  /** Called after each commit. */
  onCommit?: () => void;
  /** How commits come to the disk; absent for a database in memory. */
  sync?: LogSync | undefined;
  /** Whether the files still stand where they are looked for; asked before each commit. */
  isInPlace?: (() => boolean) | undefined;
}

export function createGroupCommit(db: Db, options: GroupCommitOptions = {}): GroupCommit {
  const { now = () => performance.now(), onHealth, onCommit, probeMs = PROBE_MS, sync } = options;
  const { patienceMs = 0 } = options;
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const rollback = db.prepare('ROLLBACK');
  const savepoint = db.prepare('SAVEPOINT operation');
  const release = db.prepare('RELEASE operation');
  const undo = db.prepare('ROLLBACK TO operation');
  const moveLog = db.prepare<[], { log: number; checkpointed: number }>(
    'PRAGMA wal_checkpoint(PASSIVE)',
  );
  const standing = db.pragma('busy_timeout', { simple: true });
  const telling = createTurnBudget({
    budgetMs: TELLING_MS,
    now: () => performance.now(),
    cost: 'late',
  });
  let queue: Waiting[] = [];
  let bulk: Waiting[] = [];
  let scheduled = false;
  let closed = false;
  let failing = false;
  let failures = 0;
  let recovered = Promise.withResolvers<void>();
  let probe: NodeJS.Timeout | undefined;
  /** In the order of their commits. */
  let unsynced: Committed[] = [];
  let syncing = false;
  /** The disk refused a sync: what was committed since the last good one may not be on it. */
  let doubt: StoreUnavailableError | undefined;
  /** Since when this one waits for another process's commit. */
  let waitsSince: number | undefined;

  /** A commit ended well, or with a failure of the file: what concerns everybody, unlike a failed operation. */
  function told(failure: StoreUnavailableError | undefined): void {
    if (failure) {
      failures += 1;
      probe ??= setTimeout(probeWrite, probeMs).unref();
      if (failing) return;
      failing = true;
      recovered = Promise.withResolvers<void>();
      onHealth?.(failure);
    } else if (failing) {
      failing = false;
      clearTimeout(probe);
      probe = undefined;
      onHealth?.(undefined);
      recovered.resolve();
    }
  }

  /** Without it, a gateway that takes no traffic while its disk is full would never see that it has room again. */
  function probeWrite(): void {
    probe = undefined;
    if (closed || !failing) return;
    if (doubt && !movedToFile()) return told(doubt);
    queue.push({ apply: touch, reject() {} });
    schedule();
  }

  /** Writes the first page as it is. */
  function touch(): () => void {
    db.pragma(`user_version = ${String(db.pragma('user_version', { simple: true }))}`);
    return () => {};
  }

  function schedule(): void {
    if (scheduled || queue.length + bulk.length === 0) return;
    scheduled = true;
    const turn = () => {
      scheduled = false;
      flush();
      schedule();
    };
    if (waitsSince === undefined) setImmediate(turn);
    else setTimeout(turn, RETRY_MS);
  }

  /** False: another process commits now, and this one is to try again. */
  function begun(): boolean {
    if (patienceMs === 0 || closed) {
      // The last ones have nobody to hold up any more.
      if (patienceMs > 0) db.pragma(`busy_timeout = ${patienceMs}`);
      begin.run();
      return true;
    }
    try {
      // To sleep in SQLite would hold up every socket of this process.
      db.pragma('busy_timeout = 0');
      begin.run();
      waitsSince = undefined;
      return true;
    } catch (error) {
      if (!isBusy(error)) throw error;
      waitsSince ??= now();
      const isPatient = !failing && now() - waitsSince < patienceMs;
      if (isPatient) return false;
      waitsSince = undefined;
      throw error;
    } finally {
      db.pragma(`busy_timeout = ${String(standing)}`);
    }
  }

  /** One transaction, of bounded time unless it is the last one. Nobody hears anything before it is durable. */
  function flush(isLast = false): void {
    if (doubt) return refuse(doubt);
    if (options.isInPlace?.() === false) return refuse(new StoreUnavailableError(ELSEWHERE));
    const done: Committed[] = [];
    let ofQueue = 0;
    try {
      if (db.inTransaction) rollback.run();
      if (!begun()) return;
      const until = (ms: number) => (isLast ? Number.POSITIVE_INFINITY : now() + ms);
      apply(queue, done, until(MAX_MS));
      ofQueue = done.length;
      apply(bulk, done, until(BULK_MS));
      commit.run();
    } catch (error) {
      abandon();
      return refuse(unavailable(error));
    }
    queue = queue.slice(ofQueue);
    bulk = bulk.slice(done.length - ofQueue);
    onCommit?.();
    unsynced.push(...done);
    if (!sync) settle(unsynced.length);
    else if (!syncing) beginSync(sync);
  }

  /** At least one if any waits, and no more after `end`. */
  function apply(waiting: readonly Waiting[], done: Committed[], end: number): void {
    const isBulk = waiting === bulk;
    for (const operation of waiting.slice(0, MAX_OPERATIONS)) {
      done.push({ isBulk, failures, settle: inSavepoint(operation), reject: operation.reject });
      if (now() >= end) return;
    }
  }

  /** Everybody who waits: to try each of them would take long, and tell them the same. */
  function refuse(failure: StoreUnavailableError): void {
    const refused = [...queue, ...bulk];
    queue = [];
    bulk = [];
    told(failure);
    for (const operation of refused) operation.reject(failure);
  }

  function beginSync(disk: LogSync): void {
    const count = unsynced.length;
    syncing = true;
    disk.begin((error) => {
      syncing = false;
      // Closing has synced, and told everybody.
      if (closed && unsynced.length === 0) return;
      if (error) {
        doubt = unavailable(error);
        return told(doubt);
      }
      settle(count);
      if (unsynced.length > 0) beginSync(disk);
    });
  }

  /** The oldest so many are durable. */
  function settle(count: number): void {
    const durable = unsynced.slice(0, count);
    unsynced = unsynced.slice(count);
    // What was committed before a failure says nothing about whether it is over.
    if (durable.at(-1)?.failures === failures) told(undefined);
    for (const each of durable) {
      if (each.isBulk && !closed) telling.run(each.settle);
      else each.settle();
    }
  }

  /**
   * After a sync that failed, the kernel may take for written what is not, and a later sync says nothing about
   * it. So the log is not trusted with it: it is moved into the database file, which is synced anew.
   */
  function movedToFile(): boolean {
    try {
      const [row] = moveLog.all();
      if (row === undefined || row.log !== row.checkpointed) return false;
    } catch (error) {
      doubt = unavailable(error);
      return false;
    }
    doubt = undefined;
    settle(unsynced.length);
    told(undefined);
    return true;
  }

  /** At once: until then this connection's reads would see what nobody was promised. */
  function abandon(): void {
    try {
      if (db.inTransaction) rollback.run();
    } catch {
      // The failure that led here is the one to report; the next flush tries this again.
    }
  }

  function inSavepoint(operation: Waiting): () => void {
    savepoint.run();
    try {
      const resolve = operation.apply();
      release.run();
      return resolve;
    } catch (error) {
      // After some failures (disk full, I/O) SQLite has rolled back the whole transaction by itself.
      if (!db.inTransaction) throw error;
      undo.run();
      release.run();
      const failure = unavailable(error);
      return () => operation.reject(failure);
    }
  }

  function syncLast(): void {
    if (unsynced.length === 0) return;
    try {
      if (!doubt) sync?.atOnce();
    } catch (error) {
      doubt = unavailable(error);
    }
    const failure = doubt;
    if (!failure || movedToFile()) return settle(unsynced.length);
    for (const each of unsynced) each.reject(failure);
    unsynced = [];
  }

  function enqueue<T>(operation: () => T, isBulk: boolean): Promise<T> {
    if (closed) return Promise.reject(new StoreUnavailableError('The session store is closed.'));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    (isBulk ? bulk : queue).push({
      apply() {
        const value = operation();
        return () => resolve(value);
      },
      reject,
    });
    schedule();
    return promise;
  }

  return {
    submit: (operation) => enqueue(operation, false),
    submitBulk: (operation) => enqueue(operation, true),

    recovery: () => (failing && !closed ? recovered.promise : undefined),

    close() {
      closed = true;
      clearTimeout(probe);
      while (queue.length + bulk.length > 0) flush(true);
      syncLast();
      recovered.resolve();
    },
  };
}

function isBusy(error: unknown): boolean {
  return codeOf(error).startsWith('SQLITE_BUSY');
}

function unavailable(cause: unknown): StoreUnavailableError {
  const fault = faultOf(codeOf(cause));
  const sentence = `The session store cannot save${fault === undefined ? '' : `: ${fault}`}.`;
  return new StoreUnavailableError(sentence, { cause });
}
