/** What the portal's file keeps, and for how long. */

import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { digest } from '../../portal/secret.ts';
import { openStore } from '../../portal/store/store.ts';
import { temporaryFolder } from './support/portal.ts';

async function openTemporary() {
  const store = openStore(join(await temporaryFolder(), 'portal.db'));
  onTestFinished(() => store.close());
  store.users.add({ id: 'alice', name: 'Alice', now: 0 });
  return store;
}

test('expired logins, tickets and tokens go, and traded refresh tokens before their login', async () => {
  const { logins, webchatTokens, users } = await openTemporary();
  logins.start({ id: 'old', userId: 'alice', now: 0, expiresAt: 100 });
  logins.start({ id: 'new', userId: 'alice', now: 0, expiresAt: 10_000 });
  const token = { userId: 'alice', instanceId: 'oc-a', sessionKey: 'k' };
  webchatTokens.add(digest('a'), { ...token, loginId: 'old', expiresAt: 5_000 });
  webchatTokens.add(digest('b'), { ...token, loginId: 'new', expiresAt: 50 });
  webchatTokens.add(digest('c'), { ...token, loginId: 'new', expiresAt: 5_000 });
  for (const name of ['traded', 'fresh']) logins.addRefresh(digest(name), 'new', 10_000);
  logins.useRefresh(digest('traded'), 10);
  logins.addTicket(digest('ticket'), 'alice', 50);
  logins.addTicket(digest('valid'), 'alice', 5_000);

  webchatTokens.forget(60);
  logins.forget({ expired: 200, used: 20 });

  expect(['a', 'b', 'c'].map((name) => webchatTokens.find(digest(name)) !== undefined)).toEqual([
    false,
    false,
    true,
  ]);
  expect(logins.findRefresh(digest('traded'))).toBeUndefined();
  expect(logins.findRefresh(digest('fresh'))?.loginId).toBe('new');
  expect(logins.useTicket(digest('ticket'), 10)).toBeUndefined();
  expect(logins.useTicket(digest('valid'), 10)).toBe('alice');
  expect(users.find('alice')?.name).toBe('Alice');
});

test('a transaction that fails leaves nothing behind', async () => {
  const { users, socketCloses, transaction } = await openTemporary();
  expect(() =>
    transaction(() => {
      users.setEnabled('alice', false);
      socketCloses.request({ userId: 'alice' }, 1);
      throw new Error('halfway');
    }),
  ).toThrow('halfway');
  expect(users.find('alice')?.enabled).toBe(true);
  expect(socketCloses.pending()).toEqual([]);
});

describe('a file that cannot be used is told apart', () => {
  test('damaged, no database, no file', async () => {
    const folder = await temporaryFolder();
    const [damaged, noise, directory] = ['damaged', 'noise', 'directory'].map((name) =>
      join(folder, name),
    );
    if (!damaged || !noise || !directory) throw new Error('no names');
    openStore(damaged).close();
    await truncate(damaged, 9_000);
    await writeFile(noise, 'no database at all, though long enough for one'.repeat(100));
    await mkdir(directory);
    expect(() => openStore(damaged)).toThrow('damaged or no SQLite database');
    expect(() => openStore(noise)).toThrow('damaged or no SQLite database');
    expect(() => openStore(directory)).toThrow('is no usable file; check the path');
    expect(() => openStore('/dev/null')).toThrow('it is no ordinary file');
    expect(() => openStore(join(noise, 'below'))).toThrow('is no usable file; check the path');
  });

  test('one that another program holds locked', async () => {
    const path = join(await temporaryFolder(), 'portal.db');
    openStore(path).close();
    const other = new Database(path);
    onTestFinished(() => void other.close());
    other.pragma('locking_mode = EXCLUSIVE');
    other.exec('BEGIN EXCLUSIVE');
    expect(() => openStore(path)).toThrow('another program holds it locked; try again');
  });
});
