/** How the gateway stops: announced, with time for what is under way, and without losing a word. */

import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type Client,
  connectClient,
  connectParams,
  isTerminal,
  type Json,
  openClient,
} from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { startGateway, temporaryFolder } from '../support/gateway.ts';
import {
  DONE,
  events,
  finish,
  gate,
  role,
  says,
  startOpenAiUpstream,
  text,
} from '../support/upstream/openai.ts';

const RESTART = { code: 1012, reason: 'gateway restarting' };
// Longer than a client is held up on a busy machine: one that answers no ping meanwhile is cut.
const TICK_MS = 3_000;

const messageText = (message: Json) => message.content.map((block: Json) => block.text).join('');

/** An upstream that holds `hold` until its gate opens, and gateways that start in one folder. */
async function scene(graceSeconds: number) {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const hold = gate();
  upstream.when(
    says('hold'),
    events(role(), text('first '), hold.promise, text('second'), finish('stop'), DONE),
  );
  const stateDir = await temporaryFolder();
  const config = testConfig({
    upstream: upstream.url,
    gateway: { shutdown: { graceSeconds }, limits: { tickIntervalMs: TICK_MS } },
  });
  return { upstream, hold, start: () => startGateway({ stateDir, config }) };
}

async function beginAnswer(client: Client, runId: string): Promise<void> {
  const params = { sessionKey: 'main', message: 'hold', idempotencyKey: runId };
  await client.request('chat.send', params);
  await client.event('chat', (each) => each.runId === runId && each.state === 'delta');
}

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  test('with nothing under way: announced, closed with 1012, exit 0', async () => {
    const { start } = await scene(60);
    const gateway = await start();
    const client = await connectClient({ port: gateway.port });
    const silent = await openClient({ port: gateway.port, user: 'bob' });
    gateway.signal(signal);
    expect(await client.event('shutdown')).toEqual({
      reason: 'gateway stopping',
      restartExpectedMs: 1000,
    });
    expect(await client.closed).toEqual(RESTART);
    expect(await silent.closed).toEqual(RESTART);
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(gateway.logs.map((line) => line['event']).slice(-1)).toEqual(['stopped']);
  });
});

describe('an answer under way', () => {
  test('is finished within the grace; new work is refused meanwhile', async () => {
    const { hold, start } = await scene(60);
    const gateway = await start();
    const client = await connectClient({ port: gateway.port });
    await beginAnswer(client, 'r1');
    gateway.signal('SIGTERM');
    await client.event('shutdown');
    const { error } = await client.ask('chat.send', {
      sessionKey: 'other',
      message: 'too late',
      idempotencyKey: 'r2',
    });
    expect(error).toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
      retryAfterMs: 1000,
      details: { code: 'GATEWAY_DRAINING', reason: 'gateway-restarting' },
    });
    hold.open();
    const end = await client.event('chat', (each) => isTerminal(each.state));
    expect(end.state).toBe('final');
    expect(messageText(end.message)).toBe('first second');
    expect(await client.closed).toEqual(RESTART);
    expect(await gateway.exited).toEqual({ code: 0, signal: null });

    const back = await connectClient({ port: (await start()).port });
    const { messages } = await back.request('chat.history', { sessionKey: 'main' });
    expect(messages.map(messageText)).toEqual(['hold', 'first second']);
    expect((await back.request('sessions.describe', { key: 'other' })).session).toBeNull();
  });

  test('is interrupted after the grace, stored, and told; what waits runs after the restart', async () => {
    const { upstream, start } = await scene(1);
    const gateway = await start();
    const client = await connectClient({ port: gateway.port });
    await beginAnswer(client, 'r1');
    await client.request('chat.send', {
      sessionKey: 'main',
      message: 'and then?',
      idempotencyKey: 'r2',
    });
    gateway.signal('SIGTERM');
    const end = await client.event('chat', (each) => isTerminal(each.state));
    expect(end).toMatchObject({ runId: 'r1', state: 'aborted', stopReason: 'shutdown' });
    expect(messageText(end.message)).toBe('first ');
    expect(await client.closed).toEqual(RESTART);
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(await upstream.requests[0]?.closed).toBe('dropped');
    expect(upstream.requests).toHaveLength(1);

    const second = await start();
    expect(await second.logged('recovered')).toMatchObject({ interrupted: 0, queued: 1 });
    const back = await connectClient({ port: second.port });
    const repeat = await back.request('chat.send', {
      sessionKey: 'main',
      message: 'and then?',
      idempotencyKey: 'r2',
    });
    // It may have ended before this socket was there.
    if (repeat.status !== 'ok') {
      await back.event('chat', (each) => each.runId === 'r2' && each.state === 'final');
    }
    const { messages } = await back.request('chat.history', { sessionKey: 'main' });
    expect(messages.map(messageText)).toEqual([
      'hold',
      'first ',
      'and then?',
      'You said: and then?',
    ]);
    expect(messages[1].__openclaw.state).toBe('interrupted');
    expect(upstream.requests).toHaveLength(2);
  });

  test('is followed to its end by every tab that is there', async () => {
    const { hold, start } = await scene(60);
    const gateway = await start();
    const tab = await connectClient({ port: gateway.port });
    const other = await connectClient({ port: gateway.port });
    await beginAnswer(tab, 'r1');
    gateway.signal('SIGTERM');
    await other.event('shutdown');
    const { inFlightRun } = await other.request('chat.history', { sessionKey: 'main' });
    expect(inFlightRun).toMatchObject({ runId: 'r1', text: 'first ' });
    hold.open();
    await other.event('chat', (each) => each.state === 'final');
    expect(await other.closed).toEqual(RESTART);
    expect(other.text('r1')).toBe('first second');
  });
});

test('whatever was acknowledged is answered, at whatever instant the signal comes', async () => {
  const { upstream, hold, start } = await scene(60);
  hold.open();
  const gateway = await start();
  const client = await connectClient({ port: gateway.port });
  const acknowledged: string[] = [];
  const sends = Array.from({ length: 150 }, async (_, index) => {
    const key = `s${index}`;
    const params = { sessionKey: key, message: `say ${key}`, idempotencyKey: key };
    await client.request('chat.send', params);
    acknowledged.push(key);
    if (acknowledged.length === 20) gateway.signal('SIGTERM');
  });
  await Promise.allSettled(sends);
  expect(await gateway.exited).toEqual({ code: 0, signal: null });

  const back = await connectClient({ port: (await start()).port });
  for (const key of acknowledged) {
    const params = { sessionKey: key, message: `say ${key}`, idempotencyKey: key };
    const { status } = await back.request('chat.send', params);
    if (status === 'in_flight') {
      await back.event('chat', (each) => each.runId === key && isTerminal(each.state));
    }
    const { messages } = await back.request('chat.history', { sessionKey: key });
    expect(messages.map(messageText)).toEqual([`say ${key}`, `You said: say ${key}`]);
    const asked = upstream.requests.filter((each) => each.bodyText.includes(`say ${key}"`));
    expect(asked).toHaveLength(1);
  }
  expect(acknowledged.length).toBeGreaterThanOrEqual(20);
});

describe('a second signal', () => {
  test('at once is the same key press: the answer keeps its grace', async () => {
    const { hold, start } = await scene(60);
    const gateway = await start();
    const client = await connectClient({ port: gateway.port });
    await beginAnswer(client, 'r1');
    gateway.signal('SIGINT');
    gateway.signal('SIGTERM');
    await client.event('shutdown');
    gateway.signal('SIGINT');
    // Answered behind the signal: the gateway heard it and goes on.
    expect(await client.request('health')).toMatchObject({ ok: true });
    hold.open();
    expect(await client.event('chat', (each) => isTerminal(each.state))).toMatchObject({
      state: 'final',
    });
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
  });

  test('later stops now; what had been said is there after the restart', async () => {
    const { start } = await scene(600);
    const gateway = await start();
    const client = await connectClient({ port: gateway.port });
    await beginAnswer(client, 'r1');
    gateway.signal('SIGTERM');
    await client.event('shutdown');
    const asked = Date.now();
    await client.event('tick', ({ ts }) => ts > asked + 700);
    gateway.signal('SIGTERM');
    const { code } = await gateway.exited;
    expect(code).not.toBeNull();

    const second = await start();
    const back = await connectClient({ port: second.port });
    const { messages, inFlightRun } = await back.request('chat.history', { sessionKey: 'main' });
    expect(inFlightRun).toBeUndefined();
    expect(messages.map(messageText)).toEqual(['hold', 'first ']);
    expect(messages[1].__openclaw.state).toBe('interrupted');
  });
});

test('a socket that shakes hands while the gateway drains is told so at once', async () => {
  const { start, hold } = await scene(60);
  const gateway = await start();
  const late = await openClient({ port: gateway.port, user: 'bob' });
  await late.event('connect.challenge');
  const client = await connectClient({ port: gateway.port });
  await beginAnswer(client, 'r');
  gateway.signal('SIGTERM');
  await client.event('shutdown');
  await late.request('connect', connectParams());
  expect(await late.event('shutdown')).toMatchObject({ reason: 'gateway stopping' });
  const send = { sessionKey: 'main', message: 'x', idempotencyKey: 'late' };
  expect((await late.ask('chat.send', send)).error.details.code).toBe('GATEWAY_DRAINING');
  hold.open();
  expect(await late.closed).toEqual(RESTART);
});

describe('many sockets', () => {
  test('are closed over time, and their clients told to come back at different times', async () => {
    const spreadSeconds = 1;
    const config = testConfig({ gateway: { shutdown: { graceSeconds: 1, spreadSeconds } } });
    const gateway = await startGateway({ config });
    const clients = await Promise.all(
      Array.from({ length: 450 }, (_, n) =>
        connectClient({ port: gateway.port, user: `user-${n % 10}`, check: false }),
      ),
    );
    gateway.signal('SIGTERM');
    const ends = await Promise.all(
      clients.map(async (client) => ({ ...(await client.closed), at: performance.now() })),
    );
    expect(ends.every(({ code, reason }) => code === 1012 && reason === RESTART.reason)).toBe(true);
    const times = ends.map(({ at }) => at);
    // Five parts, a tenth of a second between them.
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(300);
    const told = await Promise.all(clients.map((client) => client.event('shutdown')));
    const waits = told.map(({ restartExpectedMs }) => restartExpectedMs);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(1_400);
    expect(new Set(waits).size).toBeGreaterThan(50);
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
  });
});
