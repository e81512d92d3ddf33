/** Taking a right away reaches the gateways, whatever happens to them or to us. */

import { describe, expect, test } from 'vitest';
import {
  changePassword,
  disableInstance,
  disableUser,
  removeInstance,
  removeUser,
  revokeGrant,
} from '../../portal/store/access.ts';
import type { Store } from '../../portal/store/store.ts';
import { startGatewayAdmin } from './support/gateway-admin.ts';
import {
  bearer,
  INSTANCE,
  post,
  servePortal,
  signedIn,
  type TestPortal,
} from './support/portal.ts';

async function withGateway() {
  const gateway = await startGatewayAdmin();
  const { adminUrl, token } = gateway;
  const portal = await servePortal({ gateways: [{ adminUrl, token }] });
  return { gateway, portal };
}

const grant = { userId: 'alice', instanceId: INSTANCE };
const bodies = (calls: readonly { body: unknown }[]) => calls.map(({ body }) => body);
/** The moment after which a close is told for the last time. */
const settle = (portal: TestPortal) => {
  portal.clock.now = Date.now() + 6_000;
};

test('a token that the gateway does not know is told as an error, with the key to correct', async () => {
  const { gateway, portal } = await withGateway();
  gateway.statuses.push(401);
  revokeGrant(portal.store, grant, portal.clock.now);
  await gateway.called(1);
  await expect.poll(() => portal.log()).toContain('is not that gateway');
  // pino's number for an error.
  const line = portal
    .log()
    .split('\n')
    .find((each) => each.includes('close_not_told'));
  expect(JSON.parse(line ?? '{}')).toMatchObject({ level: 50, reason: 'status 401' });
});

describe('sockets are closed', () => {
  test.each<[string, (store: Store, now: number) => unknown, object]>([
    ['a right is taken away', (store, now) => revokeGrant(store, grant, now), grant],
    ['a user is disabled', (store, now) => disableUser(store, 'alice', now), { userId: 'alice' }],
    ['a user is removed', (store, now) => removeUser(store, 'alice', now), { userId: 'alice' }],
    [
      'a password changes',
      (store, now) => changePassword(store, 'alice', 'x', now),
      { userId: 'alice' },
    ],
    [
      'an instance is disabled',
      (store, now) => disableInstance(store, INSTANCE, now),
      { instanceId: INSTANCE },
    ],
    [
      'an instance is removed',
      (store, now) => removeInstance(store, INSTANCE, now),
      { instanceId: INSTANCE },
    ],
  ])('when %s', async (_what, take, body) => {
    const { gateway, portal } = await withGateway();
    take(portal.store, portal.clock.now);
    await gateway.called(1);
    expect(gateway.calls[0]).toEqual({
      authorization: 'Bearer admin-token',
      url: '/v1/sockets/close',
      body,
    });
  });

  test('when a user signs out', async () => {
    const { gateway, portal } = await withGateway();
    const { access } = await signedIn(portal);
    await post(`${portal.url}/api/v1/auth/logout`, {}, bearer(access));
    await gateway.called(1);
    expect(bodies(gateway.calls)).toEqual([{ userId: 'alice' }]);
  });
});

describe('a close', () => {
  test('is told once more after the handshakes under way, then forgotten', async () => {
    const { gateway, portal } = await withGateway();
    revokeGrant(portal.store, grant, portal.clock.now);
    await gateway.called(1);
    expect(portal.store.socketCloses.pending()).toHaveLength(1);
    settle(portal);
    await gateway.called(2);
    expect(bodies(gateway.calls)).toEqual([grant, grant]);
    await expect.poll(() => portal.store.socketCloses.pending()).toEqual([]);
    expect(gateway.calls).toHaveLength(2);
  });

  test('is tried again until the gateway takes it', async () => {
    const { gateway, portal } = await withGateway();
    gateway.statuses.push(500, 503, 401);
    revokeGrant(portal.store, grant, portal.clock.now);
    await gateway.called(4);
    expect(portal.log()).toContain('"reason":"status 503"');
    await expect.poll(() => portal.log()).toContain('sockets_closed');
    expect(portal.log()).not.toContain('admin-token');
  });

  test('that the gateway refuses does not hold up the next one', async () => {
    const { gateway, portal } = await withGateway();
    gateway.statuses.push(400);
    portal.store.transaction(() => {
      disableUser(portal.store, 'bob', portal.clock.now);
      disableUser(portal.store, 'alice', portal.clock.now);
    });
    await gateway.called(3);
    expect(bodies(gateway.calls)).toEqual([
      { userId: 'bob' },
      { userId: 'alice' },
      { userId: 'bob' },
    ]);
  });

  test('reaches every gateway, also while another is away', async () => {
    const gateway = await startGatewayAdmin();
    const { adminUrl, token } = gateway;
    const away = { adminUrl: 'http://127.0.0.1:9', token };
    const portal = await servePortal({ gateways: [away, { adminUrl, token }] });
    disableUser(portal.store, 'alice', portal.clock.now);
    await gateway.called(1);
    await expect.poll(() => portal.log()).toContain('"reason":"unreachable"');
    settle(portal);
    await gateway.called(2);
    expect(portal.store.socketCloses.pending()).toHaveLength(1);
    // Nobody can hold a login of then any more: the one that is away is given up.
    portal.clock.now += 2_592_000_000;
    await expect.poll(() => portal.store.socketCloses.pending()).toEqual([]);
    expect(portal.log()).toContain('close_given_up');
  });

  test('that was asked for while nobody served is told at the next start', async () => {
    const { gateway, portal } = await withGateway();
    await portal.stop();
    disableUser(portal.store, 'bob', Date.now());
    expect(gateway.calls).toEqual([]);
    const { startPortal } = await import('../../portal/portal.ts');
    const { loadPortalConfig } = await import('../../portal/config.ts');
    const { pino } = await import('pino');
    const loaded = loadPortalConfig({ path: portal.configPath, env: {} });
    if (!loaded.ok) throw new Error('bad configuration');
    const again = await startPortal({
      config: loaded.config,
      host: '127.0.0.1',
      port: 0,
      pageDir: portal.folder,
      log: pino({ level: 'silent' }),
      revocationTiming: { pollMs: 5 },
    });
    await gateway.called(1);
    await again.stop();
    expect(bodies(gateway.calls)).toEqual([{ userId: 'bob' }]);
  });

  test('asked for many times over does not pile up', async () => {
    const portal = await servePortal({
      gateways: [{ adminUrl: 'http://127.0.0.1:9', token: 'x' }],
    });
    for (let turn = 0; turn < 50; turn += 1) disableUser(portal.store, 'alice', portal.clock.now);
    expect(portal.store.socketCloses.pending()).toHaveLength(1);
  });
});
