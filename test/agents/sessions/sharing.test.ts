/** Several processes write one file: who owns it, who waits for whom, and what the living take over of the dead. */

import { statSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Principal } from '../../../agents/principal.ts';
import { openDatabase } from '../../../agents/sessions/database.ts';
import { createLeases, openLeases } from '../../../agents/sessions/leases.ts';
import { lockStore, shareStore } from '../../../agents/sessions/lock.ts';
import type { LogSync } from '../../../agents/sessions/log-sync.ts';
import { createSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import type { SessionStore } from '../../../agents/sessions/store.ts';
import { alice, answer, bob, exchange, KEY, temporaryFile, turn } from './samples.ts';

const MEBIBYTE = 1024 * 1024;

function openWorker(
  path: string,
  owner: number,
  elapsed: () => number = () => 0,
  logSync?: LogSync,
): SessionStore {
  const sharing = { role: 'worker', owner } as const;
  const options = { elapsed, sharing, ...(logSync && { logSync }) };
  const store = createSessionStore(openDatabase(path), options);
  onTestFinished(() => store.close());
  return store;
}

/** A disk that is done with a commit when it is told so; `asked` counts what it was asked for. */
function slowDisk() {
  let isFast = false;
  let asked = 0;
  let finish = () => {};
  const begin: LogSync['begin'] = (done) => {
    asked += 1;
    finish = () => done(null);
    if (isFast) finish();
  };
  return {
    sync: { begin, atOnce() {}, close() {} },
    asked: () => asked,
    finish: () => finish(),
    speedUp() {
      isFast = true;
      finish();
    },
  };
}

describe('the file', () => {
  it('is owned again only when the workers of the owner before are gone', () => {
    const path = temporaryFile();
    const unlock = lockStore(path, 1);
    const shares = [shareStore(path, 1), shareStore(path, 1)];
    expect(() => lockStore(path, 2)).toThrow(expect.objectContaining({ reason: 'in_use' }));
    unlock();
    for (const leave of shares) {
      // Whether it is to be shared again, or not.
      for (const next of [2, undefined]) {
        const attempt = () => lockStore(path, next);
        expect(attempt).toThrow(expect.objectContaining({ reason: 'workers_left' }));
      }
      leave();
    }
    lockStore(path)();
    lockStore(path, 2)();
  });

  it('is shared by workers of its own generation only', () => {
    const path = temporaryFile();
    lockStore(path, 1)();
    onTestFinished(lockStore(path, 2));
    expect(() => shareStore(path, 1)).toThrow(expect.objectContaining({ reason: 'in_use' }));
    shareStore(path, 2)();
  });
});

describe('a lease', () => {
  it('is one owner’s until it is released or inherited', () => {
    const path = `${temporaryFile()}.leases`;
    openDatabase(path.replace('.leases', '')).close();
    createLeases(path, [alice]);
    const [one, two] = [openLeases(path, 1), openLeases(path, 2)];
    expect([one.take(alice), one.take(bob), two.take(bob), one.take(bob)]).toEqual([
      false,
      true,
      false,
      true,
    ]);
    // Nobody lets go of another's.
    two.release([bob]);
    expect(two.take(bob)).toBe(false);
    one.release([bob]);
    expect(two.take(bob)).toBe(true);
    expect(one.of([0, 2])).toEqual([alice, bob]);
    one.inherit([0, 2], [alice]);
    expect([one.take(alice), two.take(alice), two.take(bob)]).toEqual([true, false, true]);
    one.close();
    two.close();
  });
});

describe('a worker', () => {
  it('waits for the commit of another process while its event loop goes on', async () => {
    const path = temporaryFile();
    const store = openWorker(path, 1);
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    let isStored = false;
    const stored = store.acceptTurn(alice, KEY, turn('a')).then((result) => {
      isStored = true;
      return result;
    });
    // Longer than SQLite's own wait, after which the write would have failed.
    await sleep(60);
    expect(isStored).toBe(false);
    expect(store.recovery()).toBeUndefined();
    other.exec('COMMIT');
    other.close();
    expect(await stored).toMatchObject({ outcome: 'accepted' });
  });

  it('does not wait for ever', async () => {
    const path = temporaryFile();
    let time = 0;
    const store = openWorker(path, 1, () => time);
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    const refused = store.acceptTurn(alice, KEY, turn('a')).catch((error: unknown) => error);
    time = 1_000;
    await sleep(10);
    time = 10_000;
    expect(String(await refused)).toContain('another program holds its lock');
    other.close();
  });

  it('leaves the log to the supervisor, who empties it while others write', async () => {
    const path = temporaryFile();
    const sharing = { role: 'supervisor', owner: 0 } as const;
    const supervisor = createSessionStore(openDatabase(path), { checkpointMs: 5, sharing });
    onTestFinished(() => supervisor.close());
    const store = openWorker(path, 1);
    const text = 'x'.repeat(100 * 1024);
    for (let n = 0; n < 120; n += 1) await store.acceptTurn(alice, KEY, turn(`r${n}`, { text }));
    const log = () => statSync(`${path}-wal`).size;
    await expect.poll(log, { timeout: 15_000 }).toBeLessThan(4 * MEBIBYTE);
    expect(statSync(path).size + log()).toBeGreaterThan(11 * MEBIBYTE);
  });

  it('takes over what the dead have left, and nothing of the living', async () => {
    const path = temporaryFile();
    const [dead, heir] = [openWorker(path, 1), openWorker(path, 2)];
    for (const [store, who] of [
      [dead, alice],
      [heir, bob],
    ] as const) {
      await store.acceptTurn(who, KEY, turn('started', { start: true }));
      await store.checkpoint(who, KEY, 'started', 'as far as');
      await store.acceptTurn(who, KEY, turn('waiting'));
    }
    const left = await heir.recover(9, { owners: [1], has: ({ userId }) => userId === 'alice' });
    expect(left.interrupted).toBe(1);
    expect(left.queued.map(({ principal, run }) => [principal, run.runId])).toEqual([
      [alice, 'waiting'],
    ]);
    expect(heir.run(alice, KEY, 'started')?.state).toBe('interrupted');
    expect(heir.history(alice, KEY, { limit: 2, offset: 2 })?.messages[1]?.content).toEqual([
      { type: 'text', text: 'as far as' },
    ]);
    expect(heir.run(bob, KEY, 'started')?.state).toBe('running');
  });

  it('removes copies that the dead were making, and none of the living', async () => {
    const path = temporaryFile();
    const [dead, heir] = [openWorker(path, 1), openWorker(path, 2)];
    const copy = async (store: SessionStore, who: Principal) => {
      const runs = Array.from({ length: 300 }, (_, n) => `r${n}`);
      await Promise.all(runs.map((id) => exchange(store, who, KEY, turn(id), answer(id))));
      const last = await store.acceptTurn(who, KEY, turn('last', { start: true }));
      if (last.outcome !== 'accepted') throw new Error('not accepted');
      const leafId = store.describe(who, KEY)?.leafId ?? '';
      const to = { key: 'copy', agentId: 'main', timestamp: 1 };
      await store.finishRun(who, KEY, 'last', answer('last'));
      return store.fork(who, KEY, leafId, to);
    };
    const hidden = new Database(path)
      .prepare<[], number>(`SELECT count(*) FROM sessions WHERE user_id = ''`)
      .pluck();
    const cut = copy(dead, alice).catch(() => 'cut off');
    while (hidden.get() === 0) await nextTurn();
    await dead.close();
    expect(await cut).toBe('cut off');
    const made = copy(heir, bob);
    while (hidden.get() === 1) await nextTurn();
    await heir.recover(9, { owners: [1], has: () => false });
    expect(await made).toMatchObject({ outcome: 'moved' });
    await expect.poll(() => hidden.get()).toBe(0);
    expect(heir.history(bob, 'copy', { limit: 1_000, offset: 0 })?.messages).toHaveLength(602);
  });

  it('removes nothing of others with a session that another one removes too', async () => {
    const path = temporaryFile();
    const disk = slowDisk();
    const [dead, heir] = [openWorker(path, 1), openWorker(path, 2)];
    const slow = openWorker(path, 3, () => 0, disk.sync);
    const attachments = [{ mimeType: 'image/png', bytes: new Uint8Array(MEBIBYTE) }];
    for (const id of ['a', 'b', 'c']) {
      await exchange(dead, bob, KEY, turn(id, { attachments }), answer('well'));
    }
    const deleted = dead.delete(bob, KEY);
    await dead.close();
    expect(await deleted).toBe('deleted');

    const left = { owners: [1], has: () => false };
    const recovered = slow.recover(9, left);
    await expect.poll(disk.asked).toBe(1);
    disk.finish();
    await recovered;
    // It has begun, and waits for its disk; the other one comes to the end meanwhile.
    await expect.poll(disk.asked).toBe(2);
    await heir.recover(9, left);
    const reader = new Database(path);
    const sessions = reader.prepare<[], number>('SELECT count(*) FROM sessions').pluck();
    await expect.poll(() => sessions.get()).toBe(0);

    // Gets the numbers that bob's messages had.
    const sent = await heir.acceptTurn(alice, KEY, turn('mine', { attachments }));
    disk.speedUp();
    // With each commit that this waits for, the removal is a slice further.
    for (let n = 0; n < 20; n += 1) await slow.patch(bob, KEY, {}, 1);
    expect(sent).toMatchObject({ outcome: 'accepted' });
    expect(heir.run(alice, KEY, 'mine')).toBeDefined();
    expect(heir.attachment(alice, KEY, 1, 0)?.bytes).toHaveLength(MEBIBYTE);
    reader.close();
  });
});
