/** `session.maintenance`: what leaves the store by itself, and what never does. */

import { expect, onTestFinished, test } from 'vitest';
import { type Client, connectClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { startGateway, temporaryFolder } from '../support/gateway.ts';
import { startOpenAiUpstream } from '../support/upstream/openai.ts';

async function keysOf(client: Client): Promise<string[]> {
  const { sessions } = await client.request('sessions.list', {});
  return sessions.map(({ key }: { key: string }) => key).toSorted();
}

/** Three conversations of alice, the first of them pinned, one of bob; then a start with these rules. */
async function restartedWith(maintenance: object) {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const stateDir = await temporaryFolder();
  const config = testConfig({ upstream: upstream.url });
  const first = await startGateway({ config, stateDir });
  const alice = await connectClient({ port: first.port });
  for (const name of ['one', 'two', 'three']) await alice.say(`agent:main:${name}`, 'hello');
  await alice.request('sessions.patch', { key: 'agent:main:one', pinned: true });
  await (await connectClient({ port: first.port, user: 'bob' })).say('agent:main:his', 'hello');
  first.signal('SIGTERM');
  await first.exited;
  const gateway = await startGateway({
    config: { ...config, session: { maintenance } },
    stateDir,
  });
  return {
    gateway,
    alice: await connectClient({ port: gateway.port }),
    bob: await connectClient({ port: gateway.port, user: 'bob' }),
  };
}

const ALL = ['agent:main:one', 'agent:main:three', 'agent:main:two'];

test('nothing leaves unless a rule is set', async () => {
  const { alice, bob } = await restartedWith({});
  expect(await keysOf(alice)).toEqual(ALL);
  expect(await keysOf(bob)).toEqual(['agent:main:his']);
});

test('pruneAfter: sessions idle for so long leave, pinned ones stay', async () => {
  const { gateway, alice, bob } = await restartedWith({ pruneAfter: '1ms' });
  expect(await gateway.logged('retention')).toMatchObject({ sessions: 3, removed: true });
  expect(await keysOf(alice)).toEqual(['agent:main:one']);
  expect(await keysOf(bob)).toEqual([]);
});

test('pruneAfter: younger ones stay', async () => {
  const { alice } = await restartedWith({ pruneAfter: 30 });
  expect(await keysOf(alice)).toEqual(ALL);
});

test("maxEntries: a user's oldest leave, nobody else's", async () => {
  const { gateway, alice, bob } = await restartedWith({ maxEntries: 1 });
  expect(await gateway.logged('retention')).toMatchObject({ sessions: 1, removed: true });
  expect(await keysOf(alice)).toEqual(['agent:main:one', 'agent:main:three']);
  expect(await keysOf(bob)).toEqual(['agent:main:his']);
});

test('mode warn: says how many would leave, and removes nothing', async () => {
  const { gateway, alice } = await restartedWith({ mode: 'warn', pruneAfter: '1ms' });
  expect(await gateway.logged('retention')).toMatchObject({ sessions: 3, removed: false });
  expect(await keysOf(alice)).toEqual(ALL);
});
