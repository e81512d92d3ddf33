/** Time on a connection: the handshake's deadline, the heartbeat, and peers that fell silent. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connectClient, connectParams, openClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway, startGateway } from '../support/gateway.ts';

const TICK_MS = 40;

let gateway: SharedGateway;

beforeAll(async () => {
  const limits = { tickIntervalMs: TICK_MS, connectTimeoutMs: 1500 };
  gateway = await shareGateway({ config: testConfig({ gateway: { limits } }) });
});
afterAll(() => gateway.stop());

async function ticks(client: Client, count: number): Promise<number[]> {
  const seen = () => client.frames.filter((frame) => frame.event === 'tick');
  await client.frame(() => seen().length >= count);
  return seen().map((frame) => frame.payload.ts);
}

describe('the deadline for connect', () => {
  test('closes a socket that says nothing', async () => {
    const client = await openClient({ port: gateway.port, user: 'silent' });
    expect(await client.closed).toEqual({ code: 1008, reason: 'handshake timeout' });
    expect(client.frames).toHaveLength(1);
  });

  test('does not touch one that shook hands in time', async () => {
    const [late, client] = await Promise.all([
      openClient({ port: gateway.port, user: 'late' }),
      connectClient({ port: gateway.port }),
    ]);
    // Opened together: what closes the one at its deadline leaves the other alone.
    await late.closed;
    expect(await client.request('health')).toMatchObject({ ok: true });
  });
});

describe('ticks', () => {
  test('come once per interval, numbered without gaps, and not before the handshake', async () => {
    const client = await connectClient({ port: gateway.port });
    expect(client.hello.policy.tickIntervalMs).toBe(TICK_MS);
    const times = await ticks(client, 10);
    const mean = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / (times.length - 1);
    // A loaded machine may be late; nothing may be early.
    expect(mean).toBeGreaterThan(TICK_MS * 0.8);
    const numbered = client.frames.filter((frame) => frame.type === 'event').slice(1);
    expect(numbered.map((frame) => frame.seq)).toEqual(numbered.map((_, index) => index + 1));
    const hello = client.frames.findIndex((frame) => frame.type === 'res');
    const first = client.frames.findIndex((frame) => frame.event === 'tick');
    expect(first).toBeGreaterThan(hello);
  });

  test('reach every socket, however many share the clock', async () => {
    const clients = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        connectClient({ port: gateway.port, user: `user-${n}` }),
      ),
    );
    const times = await Promise.all(clients.map((client) => ticks(client, 3)));
    // Spread over the interval: ten thousand at once would hold the event loop.
    expect(new Set(times.map(([first]) => first)).size).toBeGreaterThan(1);
  });

  test('keep the interval that hello-ok promised when the configuration is edited', async () => {
    const config = (tickIntervalMs: number) =>
      testConfig({ gateway: { limits: { tickIntervalMs } } });
    const edited = await startGateway({ config: config(60_000) });
    await edited.writeConfig(config(30));
    edited.signal('SIGHUP');
    expect(await edited.logged('config_applied')).toMatchObject({
      afterRestart: ['gateway.limits.tickIntervalMs'],
    });
    const client = await connectClient({ port: edited.port });
    expect(client.hello.policy.tickIntervalMs).toBe(60_000);
  });
});

describe('a peer that fell silent', () => {
  test('and answers no ping is gone within two intervals, though the gateway keeps sending it ticks', async () => {
    const config = testConfig({ gateway: { limits: { tickIntervalMs: 1_000 } } });
    const slow = await startGateway({ config });
    const neighbour = await connectClient({ port: slow.port });
    const client = await openClient({
      port: slow.port,
      user: 'dead',
      socket: { autoPong: false },
    });
    await client.request('connect', connectParams());
    const silentSince = performance.now();
    expect(await client.closed).toEqual({ code: 1006, reason: '' });
    // The library's own check takes 8 s at the least; what is over two intervals is a busy machine's.
    expect(performance.now() - silentSince).toBeLessThan(7_000);
    expect(await slow.logged('peer_silent')).toBeDefined();
    expect(await slow.logged('disconnected', { user: 'dead' })).toMatchObject({ code: 1006 });
    expect(await neighbour.request('health')).toMatchObject({ ok: true });
    expect(slow.logs.filter((line) => line['event'] === 'peer_silent')).toHaveLength(1);
  });

  test('is given a second at the least, however short the ticks are', async () => {
    const client = await openClient({
      port: gateway.port,
      user: 'brief',
      socket: { autoPong: false },
    });
    await client.request('connect', connectParams());
    const silentSince = performance.now();
    expect(await client.closed).toEqual({ code: 1006, reason: '' });
    expect(performance.now() - silentSince).toBeGreaterThan(950);
  });
});
