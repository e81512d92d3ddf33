/** What the portal's file keeps, and for how long. */

import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
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
