import { readFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Db, openDatabase } from '../../../agents/sessions/database.ts';
import { createGroupCommit, type GroupCommit } from '../../../agents/sessions/group-commit.ts';
import { createSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import { type SessionStore, StoreUnavailableError } from '../../../agents/sessions/store.ts';
import { alice, KEY, temporaryFile, turn } from './samples.ts';

/**
 * Transactions in a write-ahead log, counted from outside: the frames that end one carry the size
 * of the database in bytes 4 to 8 of their header (https://www.sqlite.org/fileformat2.html#walformat).
 */
function commitsIn(path: string): number {
  const log = readFileSync(`${path}-wal`);
  const pageSize = log.readUInt32BE(8);
  let commits = 0;
  for (let frame = 32; frame + 24 <= log.length; frame += 24 + pageSize) {
    if (log.readUInt32BE(frame + 4) !== 0) commits++;
  }
  return commits;
}

let path: string;
let db: Db;

beforeEach(() => {
  path = temporaryFile();
  db = openDatabase(path);
});

afterEach(() => {
  db.close();
});

/** With a clock that stands still one commit takes all that is asked for, on however busy a machine. */
const standing = { elapsed: () => 0 };

describe('the store', () => {
  it('writes what is asked for within one turn in one transaction', async () => {
    const store = createSessionStore(db, standing);
    await store.create(alice, { key: 'first', agentId: 'main', timestamp: 1 });
    const before = commitsIn(path);
    await Promise.all(['a', 'b', 'c'].map((id) => store.acceptTurn(alice, KEY, turn(id))));
    expect(commitsIn(path) - before).toBe(1);
    await store.acceptTurn(alice, KEY, turn('d'));
    await store.acceptTurn(alice, KEY, turn('e'));
    expect(commitsIn(path) - before).toBe(3);
  });

  it('acknowledges nothing that another connection cannot read yet', async () => {
    const store = createSessionStore(db, standing);
    const reader = new Database(path, { readonly: true });
    const count = reader.prepare('SELECT count(*) FROM runs').pluck();
    const seen: unknown[] = [];
    const sends = ['a', 'b', 'c'].map(async (id) => {
      await store.acceptTurn(alice, KEY, turn(id));
      seen.push(count.get());
    });
    expect(count.get()).toBe(0);
    await Promise.all(sends);
    expect(seen).toEqual([3, 3, 3]);
    reader.close();
  });

  it('says when the disk is full, keeps what it had, and goes on when there is room', async () => {
    const store = createSessionStore(db, standing);
    await store.acceptTurn(alice, KEY, turn('before'));
    const size = Number(db.pragma('page_count', { simple: true }));
    db.pragma(`max_page_count = ${size + 2}`);
    const big = { attachments: [{ mimeType: 'image/png', bytes: new Uint8Array(100_000) }] };
    const failure = await store.acceptTurn(alice, KEY, turn('big', big)).catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(StoreUnavailableError);
    expect(failure).toMatchObject({
      message: 'The session store cannot save: its disk is full.',
      cause: { code: 'SQLITE_FULL' },
    });
    expect(store.run(alice, KEY, 'big')).toBeUndefined();
    expect(store.describe(alice, KEY)?.messageCount).toBe(2);
    db.pragma('max_page_count = 1000000');
    expect(await store.acceptTurn(alice, KEY, turn('big', big))).toMatchObject({
      outcome: 'accepted',
      run: { messageSeq: 3 },
    });
    await store.close();
  });

  it('says when another program holds the lock, and goes on afterwards', async () => {
    const store = createSessionStore(db, standing);
    db.pragma('busy_timeout = 0');
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    const sends = ['a', 'b'].map((id) => store.acceptTurn(alice, KEY, turn(id)));
    for (const { status } of await Promise.allSettled(sends)) expect(status).toBe('rejected');
    await expect(sends[0]).rejects.toThrow(/another program holds its lock/);
    other.exec('ROLLBACK');
    other.close();
    expect(await store.acceptTurn(alice, KEY, turn('a'))).toMatchObject({ outcome: 'accepted' });
  });
});

describe('group commit', () => {
  let time: number;
  let writes: GroupCommit;
  let values: () => unknown[];

  beforeEach(() => {
    time = 0;
    db.exec('CREATE TABLE t (v INTEGER NOT NULL)');
    const insert = db.prepare('INSERT INTO t VALUES (?)');
    const select = db.prepare('SELECT v FROM t ORDER BY rowid').pluck();
    values = () => select.all();
    writes = createGroupCommit(db, { now: () => time });
    put = (v) => writes.submit(() => insert.run(v).changes);
  });

  let put: (v: number | null) => Promise<number>;

  it('undoes an operation that fails, alone', async () => {
    const half = writes.submit(() => {
      db.exec('INSERT INTO t VALUES (99)');
      throw new TypeError('a bug');
    });
    const results = await Promise.allSettled([put(1), half, put(null), put(2)]);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    expect(values()).toEqual([1, 2]);
    await expect(half).rejects.toMatchObject({
      name: 'StoreUnavailableError',
      cause: { message: 'a bug' },
    });
  });

  it('rejects all when the commit itself fails, and goes on', async () => {
    // A deferred foreign key is checked by COMMIT.
    db.exec('CREATE TABLE child (p INTEGER REFERENCES sessions DEFERRABLE INITIALLY DEFERRED)');
    const orphan = writes.submit(() => db.exec('INSERT INTO child VALUES (12345)'));
    const results = await Promise.allSettled([put(1), orphan]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(values()).toEqual([]);
    await put(2);
    expect(values()).toEqual([2]);
  });

  it('rejects all when a failure has ended the transaction, and goes on', async () => {
    const fatal = writes.submit(() => db.exec('ROLLBACK; INSERT INTO nowhere VALUES (1)'));
    const results = await Promise.allSettled([put(1), fatal, put(2)]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(values()).toEqual([]);
    await put(3);
    expect(values()).toEqual([3]);
  });

  it('lets the event loop turn between two commits when there is much to do', async () => {
    const turns: number[] = [];
    let turnNumber = 0;
    let counting = true;
    const count = (): void => {
      turnNumber++;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    const slow = Array.from({ length: 6 }, (_, n) =>
      writes.submit(() => {
        time += 1.5;
        turns.push(turnNumber);
        return n;
      }),
    );
    expect(await Promise.all(slow)).toEqual([0, 1, 2, 3, 4, 5]);
    counting = false;
    // 1.5 ms each against a bound of 2 ms: two to a commit.
    expect(new Set(turns).size).toBe(3);
    expect(turns.filter((each) => each === turns[0])).toHaveLength(2);
  });

  it('takes what somebody waits for before bulk writes, which go on all the same', async () => {
    const done: string[] = [];
    const write = (name: string) => () => {
      time += 1;
      done.push(name);
    };
    const bulk = [1, 2, 3, 4].map((n) => writes.submitBulk(write(`bulk ${n}`)));
    const messages = [1, 2, 3, 4].map((n) => writes.submit(write(`message ${n}`)));
    await Promise.all([...bulk, ...messages]);
    // Two milliseconds of a commit for what is waited for, and one for bulk.
    expect(done).toEqual([
      'message 1',
      'message 2',
      'bulk 1',
      'message 3',
      'message 4',
      'bulk 2',
      'bulk 3',
      'bulk 4',
    ]);
  });

  it('writes bulk writes too before it is closed', async () => {
    const last = [writes.submitBulk(() => 'bulk'), put(2)];
    writes.close();
    expect(await Promise.all(last)).toEqual(['bulk', 1]);
  });

  it('bounds the operations of one commit and keeps their order', async () => {
    const before = commitsIn(path);
    await Promise.all(Array.from({ length: 600 }, (_, n) => put(n)));
    expect(values()).toEqual(Array.from({ length: 600 }, (_, n) => n));
    expect(commitsIn(path) - before).toBe(3);
  });

  it('refuses operations once it is closed', async () => {
    const operation = vi.fn<() => void>();
    const last = put(1);
    writes.close();
    await expect(writes.submit(operation)).rejects.toThrow('The session store is closed.');
    expect(operation).not.toHaveBeenCalled();
    expect(await last).toBe(1);
  });
});

describe('the sync of the log', () => {
  /** A disk that answers when a test says so. */
  function slowDisk() {
    const asked: ((error: Error | null) => void)[] = [];
    return {
      asked,
      sync: {
        begin: (done: (error: Error | null) => void) => void asked.push(done),
        atOnce() {},
        close() {},
      },
    };
  }

  /** What its owner is told of its health, and senders of their writes. */
  function troubledStore() {
    const disk = slowDisk();
    const health: (string | undefined)[] = [];
    const store = createSessionStore(db, {
      ...standing,
      logSync: disk.sync,
      probeMs: 5,
      onHealth: (failure) => health.push(failure?.message),
    });
    const heard: string[] = [];
    return { disk, store, health, heard };
  }

  /** Committed or not: what this connection reads. */
  function runsIn(file: Db): unknown {
    return file.prepare('SELECT count(*) FROM runs').pluck().get();
  }

  const send = (store: SessionStore, id: string, heard: string[]) =>
    store.acceptTurn(alice, KEY, turn(id)).then(
      () => void heard.push(id),
      (error: unknown) => void heard.push(`${id}: ${String(error)}`),
    );

  it('comes before anybody hears of a write; writes that come meanwhile share the next', async () => {
    const disk = slowDisk();
    const store = createSessionStore(db, { ...standing, logSync: disk.sync });
    const heard: string[] = [];
    const first = send(store, 'a', heard);
    await expect.poll(() => disk.asked.length).toBe(1);
    const others = [send(store, 'b', heard)];
    await expect.poll(() => runsIn(db)).toBe(2);
    others.push(send(store, 'c', heard));
    await expect.poll(() => runsIn(db)).toBe(3);
    // All is committed, the disk is busy with the first: nobody was told, and nobody else asks it.
    expect([heard, disk.asked.length]).toEqual([[], 1]);
    disk.asked[0]?.(null);
    await first;
    expect([heard, disk.asked.length]).toEqual([['a'], 2]);
    disk.asked[1]?.(null);
    await Promise.all(others);
    expect([heard, disk.asked.length]).toEqual([['a', 'b', 'c'], 2]);
  });

  it('that fails: what waited for it is held, what comes is refused, until all is in the file', async () => {
    const { disk, store, health, heard } = troubledStore();
    const held = send(store, 'held', heard);
    await expect.poll(() => disk.asked.length).toBe(1);
    // Somebody reads the log: what it holds of later writes cannot be moved into the file.
    const reader = new Database(path);
    reader.exec('BEGIN; SELECT count(*) FROM runs');
    db.exec('UPDATE runs SET run_id = run_id');
    disk.asked[0]?.(Object.assign(new Error('EIO'), { code: 'EIO' }));
    await send(store, 'refused', heard);
    const why = 'The session store cannot save: its disk fails.';
    expect(heard).toEqual([`refused: StoreUnavailableError: ${why}`]);
    expect(health).toEqual([why]);
    reader.exec('COMMIT');
    await held;
    expect(heard.at(-1)).toBe('held');
    expect(health).toEqual([why, undefined]);
    // The file has it, whatever the log has.
    const file = new Database(path, { readonly: true });
    expect(runsIn(file)).toBe(1);
    file.close();
    reader.close();
    const next = send(store, 'next', heard);
    await expect.poll(() => disk.asked.length).toBe(2);
    disk.asked[1]?.(null);
    await next;
    expect(heard.at(-1)).toBe('next');
  });

  it('of what was committed before a failure does not say that the failure is over', async () => {
    const { disk, store, health, heard } = troubledStore();
    const before = send(store, 'before', heard);
    await expect.poll(() => disk.asked.length).toBe(1);
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    await send(store, 'refused', heard);
    const why = 'The session store cannot save: another program holds its lock.';
    disk.asked[0]?.(null);
    await before;
    expect(heard).toEqual([`refused: StoreUnavailableError: ${why}`, 'before']);
    expect(health).toEqual([why]);
    other.exec('ROLLBACK');
    other.close();
    // The next try to write is durable: that does say so.
    await expect.poll(() => disk.asked.length).toBe(2);
    disk.asked[1]?.(null);
    expect(health).toEqual([why, undefined]);
  });

  it('is made up for by closing', async () => {
    const disk = slowDisk();
    const store = createSessionStore(db, { ...standing, logSync: disk.sync });
    const heard: string[] = [];
    const sent = send(store, 'a', heard);
    await expect.poll(() => disk.asked.length).toBe(1);
    const closed = store.close();
    await sent;
    expect(heard).toEqual(['a']);
    await closed;
    disk.asked[0]?.(null);
  });
});
