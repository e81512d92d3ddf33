/** `gateway.limits`: what one user, one address and everybody together may take, and what is said beyond it. */

import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  type Client,
  connectClient,
  connectParams,
  isTerminal,
  openClient,
} from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type GatewayProcess, startGateway } from '../support/gateway.ts';
import { upgradeRequest } from '../support/raw.ts';
import {
  DONE,
  events,
  finish,
  gate,
  role,
  says,
  startOpenAiUpstream,
  text,
  type Upstream,
} from '../support/upstream/openai.ts';

let upstream: Upstream;
beforeAll(async () => {
  upstream = await startOpenAiUpstream();
});
afterAll(() => upstream.close());

const limited = (limits: Record<string, number>): Promise<GatewayProcess> =>
  startGateway({ config: testConfig({ upstream: upstream.url, gateway: { limits } }) });

const full = (reason: string) => ({ code: 4429, reason });

describe('sockets', () => {
  test('of one user are bounded, over all instances; others come in', async () => {
    const { port } = await limited({ maxSocketsPerUser: 2 });
    const first = await connectClient({ port, instance: 'oc-1' });
    await connectClient({ port, instance: 'oc-2' });
    const third = await openClient({ port, user: 'alice', instance: 'oc-3' });
    expect(await third.closed).toEqual(full('too many connections of this user'));
    expect(third.frames).toEqual([]);
    await connectClient({ port, user: 'bob' });
    await first.close();
    const again = await connectClient({ port });
    expect(await again.request('health')).toMatchObject({ ok: true });
  });

  test('that speak for nobody are bounded per address; an admitted user comes from there all the same', async () => {
    const { port } = await limited({ maxSocketsPerAddress: 2 });
    const stranger = () => openClient({ port, user: 'mallory', origin: 'https://evil.example' });
    await stranger();
    await stranger();
    const third = await stranger();
    expect(await third.closed).toEqual(full('too many connections from this address'));
    await connectClient({ port });
  });

  test('in total are bounded, and whoever does not finish a handshake makes room', async () => {
    const { port } = await limited({ maxSockets: 3 });
    await connectClient({ port, user: 'one' });
    await connectClient({ port, user: 'two' });
    const silent = await openClient({ port, user: 'silent' });
    await connectClient({ port, user: 'three' });
    expect(await silent.closed).toEqual({ code: 1006, reason: '' });
    const fourth = await openClient({ port, user: 'four' });
    expect(await fourth.closed).toEqual(full('too many connections'));
  });

  test('that ask all at once, and a long request behind it, are let in as their turn comes, and stay', async () => {
    const { port } = await limited({ maxPendingSockets: 64, maxSocketsPerUser: 1_000 });
    const all: Client[] = [];
    for (let group = 0; group < 4; group++) {
      const users = Array.from({ length: 60 }, (_, n) => `user-${group}-${n}`);
      const opened = await Promise.all(users.map((user) => openClient({ port, user })));
      // Longer than what may come before `connect`, and it may be here before that was looked at.
      const asked = opened.map((client) => [
        client.request('connect', connectParams()),
        client.request('chat.history', { sessionKey: 'main', padding: 'x'.repeat(70_000) }),
      ]);
      const refused = await Promise.allSettled(asked.flat());
      for (const each of refused) {
        if (each.status === 'rejected') expect(String(each.reason)).not.toContain('closed');
      }
      all.push(...opened);
    }
    const alive = await Promise.all(all.map((client) => client.request('health')));
    expect(alive).toHaveLength(240);
  });

  test('by the hundred that never say a word keep nobody out, and hold no descriptors', async () => {
    const { port, pid } = await limited({ maxPendingSockets: 20, maxSocketsPerUser: 1_000 });
    const descriptors = () => readdirSync(`/proc/${pid}/fd`).length;
    const before = descriptors();
    for (let round = 0; round < 6; round++) {
      // They keep their end open, as a client that means harm would.
      for (let n = 0; n < 50; n++) {
        const peer = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
        onTestFinished(() => void peer.destroy());
        peer.on('error', () => {});
        peer.write(upgradeRequest('silent'));
      }
      const client = await connectClient({ port, user: `user-${round}` });
      expect(await client.request('health')).toMatchObject({ ok: true });
    }
    // Twenty of the silent ones, six users, and what is about to go.
    await expect.poll(() => descriptors() - before).toBeLessThan(20 + 6 + 10);
  });
});

describe('sends', () => {
  test('per minute are bounded per user; a repeated one, and reading, are not', async () => {
    const { port } = await limited({ sendsPerMinute: 3 });
    const client = await connectClient({ port });
    const other = await connectClient({ port, instance: 'oc-2' });
    const again = { sessionKey: 'main', message: 'hello', idempotencyKey: 'r1' };
    for (const runId of ['r1', 'r2']) {
      await client.say('main', 'hello', runId);
      for (let n = 0; n < 3; n += 1) await client.request('chat.send', again);
    }
    await other.say('main', 'hello', 'r3');
    const fourth = { sessionKey: 'main', message: 'too soon', idempotencyKey: 'r4' };
    const { error } = await client.ask('chat.send', fourth);
    expect(error).toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
      details: { code: 'SEND_RATE', limit: 3 },
    });
    expect(error.retryAfterMs).toBeGreaterThan(0);
    expect(error.retryAfterMs).toBeLessThanOrEqual(20_000);
    expect(await client.ask('sessions.create', {})).toMatchObject({
      error: { details: { code: 'SEND_RATE' } },
    });
    expect(await client.request('chat.send', again)).toMatchObject({ status: 'ok' });
    const { totalMessages } = await client.request('chat.history', { sessionKey: 'main' });
    expect(totalMessages).toBe(4);
    await (await connectClient({ port, user: 'bob' })).say('main', 'mine are my own');
  });
});

async function hold(client: Client, sessionKey: string, message: string): Promise<string> {
  const { runId } = await client.request('chat.send', {
    sessionKey,
    message,
    idempotencyKey: crypto.randomUUID(),
  });
  return runId;
}

describe('runs of one user at the same time', () => {
  test('are bounded: more wait, and nobody else waits for them', async () => {
    const open = gate();
    upstream.when(
      says('hold'),
      events(role(), text('held '), open.promise, text('on'), finish('stop'), DONE),
    );
    const { port } = await limited({ maxRunsPerUser: 1 });
    const client = await connectClient({ port });
    const first = await hold(client, 'agent:main:one', 'hold one');
    await client.event('chat', (each) => each.runId === first && each.state === 'delta');
    const second = await hold(client, 'agent:main:two', 'hold two');
    const bob = await connectClient({ port, user: 'bob' });
    expect(await bob.say('main', 'hello')).toMatchObject({ state: 'final' });
    expect(client.chatEvents(second)).toEqual([]);
    open.open();
    const end = await client.event(
      'chat',
      (each) => each.runId === second && isTerminal(each.state),
    );
    expect(end.state).toBe('final');
    // The other's answer had ended before this one began.
    const order = client.frames
      .filter((frame) => frame.event === 'chat')
      .map((frame) => [frame.payload.runId, frame.payload.state]);
    const ended = order.findIndex(([runId, state]) => runId === first && state === 'final');
    const began = order.findIndex(([runId]) => runId === second);
    expect(ended).toBeGreaterThan(-1);
    expect(began).toBeGreaterThan(ended);
  });
});

describe('stored bytes of one user', () => {
  test('are bounded: messages are refused, reading goes on, deleting makes room', async () => {
    const { port } = await limited({ maxStoredBytesPerUser: 4_000 });
    const client = await connectClient({ port });
    const key = 'agent:main:large';
    await client.say(key, 'x'.repeat(4_000));
    const more = { sessionKey: 'main', message: 'one more', idempotencyKey: 'r2' };
    const refused = { code: 'UNAVAILABLE', details: { code: 'STORAGE_FULL', limit: 4_000 } };
    const { error } = await client.ask('chat.send', more);
    expect(error).toMatchObject(refused);
    expect(error.retryable).toBeUndefined();
    expect((await client.ask('sessions.create', {})).error).toMatchObject(refused);
    const { messages } = await client.request('chat.history', { sessionKey: key });
    expect(messages).toHaveLength(2);
    const entry = { sessionKey: key, entryId: messages[1].__openclaw.id };
    expect((await client.ask('sessions.fork', entry)).error).toMatchObject(refused);
    await (await connectClient({ port, user: 'bob' })).say('main', 'mine are my own');
    await client.request('sessions.delete', { key });
    expect(await client.request('chat.send', more)).toMatchObject({ status: 'started' });
  });
});

describe('requests of one socket', () => {
  test('beyond the pace wait, and are all answered in their order', async () => {
    const { port } = await limited({ requestsPerSecond: 20 });
    const client = await connectClient({ port });
    const started = performance.now();
    const answers = await Promise.all(Array.from({ length: 60 }, () => client.ask('health')));
    // Forty at once, the other twenty within a second.
    expect(performance.now() - started).toBeGreaterThan(800);
    expect(answers.every(({ ok }) => ok)).toBe(true);
    const ids = client.frames.filter(({ type }) => type === 'res').map(({ id }) => id);
    expect(ids).toEqual(ids.map((_, n) => `q${n + 1}`));
  });

  test('that pile up close it, with a reason', async () => {
    const { port } = await limited({ requestsPerSecond: 1 });
    const client = await connectClient({ port });
    const frame = JSON.stringify({ type: 'req', id: 'x', method: 'health' });
    for (let n = 0; n < 5_010; n++) client.sendRaw(frame);
    expect(await client.closed).toEqual({ code: 1008, reason: 'too many requests' });
  });
});
