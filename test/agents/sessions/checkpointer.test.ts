/** The write-ahead log: it is emptied beside the work, and never grows without bound. */

import { renameSync, rmSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CheckpointTrouble } from '../../../agents/sessions/checkpoint-health.ts';
import { openDatabase } from '../../../agents/sessions/database.ts';
import { createSessionStore, type Sharing } from '../../../agents/sessions/sqlite-store.ts';
import type { SessionStore } from '../../../agents/sessions/store.ts';
import { alice, KEY, temporaryFile, turn } from './samples.ts';

const MEBIBYTE = 1024 * 1024;

function scene(checkpointMs: number) {
  const path = temporaryFile();
  const db = openDatabase(path);
  // What is tried here with a file that is gone would be refused.
  const store = createSessionStore(db, { checkpointMs, isInPlace: () => true });
  onTestFinished(() => store.close());
  const log = () => statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  return { path, db, store, log, file: () => statSync(path).size };
}

let count = 0;

/** Some 100 KiB, in a commit of their own. */
async function write(store: SessionStore): Promise<void> {
  count += 1;
  const text = 'x'.repeat(100 * 1024);
  await store.acceptTurn(alice, KEY, turn(`r${count}`, { text, start: true }));
}

it('stays bounded however long the writing goes on', async () => {
  const { store, log, file } = scene(5);
  let largest = 0;
  for (let n = 0; n < 600; n += 1) {
    await write(store);
    largest = Math.max(largest, log());
  }
  expect(largest).toBeLessThan(40 * MEBIBYTE);
  expect(largest + file()).toBeGreaterThan(60 * MEBIBYTE);
});

it('is in the file soon after the writing has ended', async () => {
  const { store, file } = scene(5);
  for (let n = 0; n < 60; n += 1) await write(store);
  await expect.poll(file, { timeout: 15_000 }).toBeGreaterThan(5 * MEBIBYTE);
});

it('is gone when the store has been closed, also when the thread was at work', async () => {
  const { path, store, log, file } = scene(1);
  for (let n = 0; n < 60; n += 1) await write(store);
  await expect.poll(file, { timeout: 15_000 }).toBeGreaterThan(5 * MEBIBYTE);
  for (let n = 0; n < 20; n += 1) await write(store);
  await store.close();
  expect(log()).toBe(0);
  const again = createSessionStore(openDatabase(path));
  expect(again.describe(alice, KEY)?.messageCount).toBe(160);
  await again.close();
});

it('is emptied by the commits themselves if the thread cannot do it', async () => {
  const { path, db, store } = scene(1);
  expect(db.pragma('wal_autocheckpoint', { simple: true })).toBe(0);
  // The thread opens the file by its name, which is gone; who has it open writes on.
  rmSync(path);
  for (let n = 0; n < 61; n += 1) await write(store);
  await expect
    .poll(() => db.pragma('wal_autocheckpoint', { simple: true }), { timeout: 15_000 })
    .toBe(1_000);
  await write(store);
  expect(store.describe(alice, KEY)?.messageCount).toBe(124);
});

/** Every look at the clock is a second after the last. */
function watched(sharing?: Sharing) {
  const path = temporaryFile();
  let clock = 0;
  const told: (CheckpointTrouble | undefined)[] = [];
  const store = createSessionStore(openDatabase(path), {
    checkpointMs: 5,
    isInPlace: () => true,
    ...(sharing && { sharing }),
    elapsed() {
      clock += 1_000;
      return clock;
    },
    onCheckpointTrouble: (trouble) => told.push(trouble),
  });
  onTestFinished(() => store.close());
  const log = () => statSync(`${path}-wal`).size;
  return { path, store, told, log };
}

describe.each([
  ['a process that serves alone', undefined],
  ['a supervisor', { role: 'supervisor', owner: 0 }],
] satisfies [string, Sharing | undefined][])('of %s', (_, sharing) => {
  it('that a reader holds is told once while it grows, and once when it is let go, though nobody writes', async () => {
    const { path, store, told, log } = watched(sharing);
    for (let n = 0; n < 3; n += 1) await write(store);
    const reader = new Database(path);
    onTestFinished(() => void reader.close());
    reader.exec('BEGIN; SELECT count(*) FROM runs');
    for (let n = 0; n < 60; n += 1) await write(store);
    await expect.poll(() => told.length).toBe(1);
    expect(told[0]?.reason).toContain('a backup');
    expect(told[0]?.logBytes).toBeGreaterThan(5 * MEBIBYTE);
    expect(told[0]?.logBytes).toBeLessThanOrEqual(log());
    for (let n = 0; n < 60; n += 1) await write(store);
    expect(told).toHaveLength(1);

    reader.exec('ROLLBACK');
    await expect.poll(() => told.length).toBe(2);
    expect(told[1]).toBe(undefined);
  });

  it('that nothing holds is told of in no way, however much is written', async () => {
    const { store, told } = watched(sharing);
    for (let n = 0; n < 300; n += 1) await write(store);
    expect(told).toEqual([]);
  });
});

it('is told of as well if the thread has ended, and the commits cannot empty it', async () => {
  const { path, store, told, log } = watched();
  const reader = new Database(path);
  onTestFinished(() => void reader.close());
  reader.exec('BEGIN; SELECT count(*) FROM runs');
  // The thread finds no file of this name, and the others write on.
  renameSync(path, `${path}.moved`);
  while (log() < 65 * MEBIBYTE) await write(store);
  await expect.poll(() => told.length).toBe(1);
  expect(told[0]?.reason).toContain('thread');
  expect(told[0]?.logBytes).toBeGreaterThan(64 * MEBIBYTE);

  reader.exec('ROLLBACK');
  // The first moves the log, the second begins it anew.
  for (let n = 0; n < 2; n += 1) await write(store);
  await expect.poll(() => told.length).toBe(2);
  expect(told[1]).toBe(undefined);
});
