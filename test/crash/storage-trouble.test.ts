/**
 * The disk fills up, or somebody else locks the file, while users write: nothing that was acknowledged is
 * lost, reading goes on, and when the cause is gone the gateway goes on without a restart.
 *
 * A limit on the size of files, set from outside while the process runs, stands for the full disk:
 * SQLite's writes fail in the same place.
 */

import { execFileSync } from 'node:child_process';
import { renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectClient, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type GatewayProcess, startGateway, temporaryFolder } from '../support/gateway.ts';
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

const database = (gateway: GatewayProcess) => join(gateway.stateDir, 'oc-gateway.sqlite');

function fillDisk(gateway: GatewayProcess): void {
  const { size } = statSync(`${database(gateway)}-wal`);
  execFileSync('prlimit', ['--pid', String(gateway.pid), `--fsize=${size}:unlimited`]);
}

function emptyDisk(gateway: GatewayProcess): void {
  execFileSync('prlimit', ['--pid', String(gateway.pid), '--fsize=unlimited:unlimited']);
}

async function scene() {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const stateDir = await temporaryFolder();
  const config = testConfig({ upstream: upstream.url });
  const start = () => startGateway({ stateDir, config });
  const gateway = await start();
  const client = await connectClient({ port: gateway.port });
  await client.say('main', 'before');
  return { upstream, gateway, client, start };
}

const send = (idempotencyKey: string, message = idempotencyKey) => ({
  sessionKey: 'main',
  message,
  idempotencyKey,
});

async function ready(gateway: GatewayProcess) {
  const answer = await fetch(`http://127.0.0.1:${gateway.port}/readyz`);
  return { status: answer.status, body: (await answer.json()) as Json };
}

const textOf = (message: Json) => message.content.map((block: Json) => block.text).join('');

test('files that were moved away are not written to: sends are refused until they are back', async () => {
  const { gateway, client } = await scene();
  const files = ['', '-wal', '-shm'].map((end) => database(gateway) + end);
  for (const file of files) renameSync(file, `${file}.moved`);
  // The look of a moment ago stands for a moment.
  await expect.poll(async () => (await client.ask('chat.send', send('away'))).ok).toBe(false);
  const state = await ready(gateway);
  expect(state.status).toBe(503);
  expect(state.body.reason).toContain('moved, replaced or removed');
  for (const file of files) renameSync(`${file}.moved`, file);
  await expect.poll(async () => (await ready(gateway)).status).toBe(200);
  await client.say('main', 'after');
  const { messages } = await client.request('chat.history', { sessionKey: 'main' });
  expect(messages.map(textOf).slice(-2)).toEqual(['after', 'You said: after']);
});

describe('a full disk', () => {
  test('refuses sends as worth another try, is told by /readyz, and leaves reading alone', async () => {
    const { gateway, client } = await scene();
    fillDisk(gateway);
    const refused = await client.ask('chat.send', send('during'));
    expect(refused).toMatchObject({
      ok: false,
      error: { code: 'UNAVAILABLE', retryable: true, details: { code: 'STORE_UNAVAILABLE' } },
    });
    expect(JSON.stringify(refused)).not.toContain(gateway.stateDir);
    const state = await ready(gateway);
    expect(state.status).toBe(503);
    expect(state.body.reason).toContain('cannot save');
    const { messages } = await client.request('chat.history', { sessionKey: 'main' });
    expect(messages.map(textOf)).toEqual(['before', 'You said: before']);

    emptyDisk(gateway);
    // Nobody writes: the gateway finds out by itself.
    await gateway.logged('store_recovered');
    expect((await ready(gateway)).status).toBe(200);
    const end = await client.say('main', 'during', 'during');
    expect(textOf(end.message)).toBe('You said: during');
  });

  test('does not cost an answer that ends meanwhile: it is told when it is saved', async () => {
    const { upstream, gateway, client } = await scene();
    const hold = gate();
    upstream.when(
      says('story'),
      events(role(), text('Once '), hold.promise, text('upon a time'), finish('stop'), DONE),
    );
    await client.request('chat.send', send('story'));
    await client.event('chat', () => client.text('story') === 'Once ');
    fillDisk(gateway);
    hold.open();
    await client.event('chat', () => client.text('story') === 'Once upon a time');
    await gateway.logged('store_failing');
    // Behind everything that the end of the answer could have sent.
    await client.request('health');
    expect(client.chatEvents('story').map((each) => each.state)).not.toContain('final');

    emptyDisk(gateway);
    const end = await client.event(
      'chat',
      (each) => each.state === 'final' && each.runId === 'story',
    );
    expect(textOf(end.message)).toBe('Once upon a time');
    const { messages } = await client.request('chat.history', { sessionKey: 'main' });
    expect(messages.map(textOf).at(-1)).toBe('Once upon a time');
  });

  test('is logged once, and not again by each answer that streams', async () => {
    const { upstream, gateway, client } = await scene();
    const [more, rest] = [gate(), gate()];
    upstream.when(
      says('story'),
      events(role(), text('Once '), more.promise, text('upon'), rest.promise, finish('stop'), DONE),
    );
    await client.request('chat.send', send('story'));
    await client.event('chat', () => client.text('story') === 'Once ');
    fillDisk(gateway);
    more.open();
    // By its checkpoint, since nobody else writes.
    await gateway.logged('store_failing');
    emptyDisk(gateway);
    await gateway.logged('store_recovered');
    rest.open();
    await client.event('chat', (each) => each.state === 'final' && each.runId === 'story');
    expect(gateway.logs.filter(({ event }) => event === 'run_trouble')).toEqual([]);
    expect(gateway.logs.filter(({ event }) => event === 'store_failing')).toHaveLength(1);
  });

  test('does not hold up the end of the process; what had not been saved is marked at the next start', async () => {
    const { upstream, gateway, client, start } = await scene();
    const hold = gate();
    upstream.when(says('story'), events(role(), text('Once'), hold.promise, finish('stop'), DONE));
    await client.request('chat.send', send('story'));
    await client.event('chat', () => client.text('story') === 'Once');
    fillDisk(gateway);
    hold.open();
    await gateway.logged('store_failing');
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toMatchObject({ signal: null });

    const next = await start();
    expect(await next.logged('recovered')).toMatchObject({ interrupted: 1 });
    const back = await connectClient({ port: next.port });
    const { messages } = await back.request('chat.history', { sessionKey: 'main' });
    expect(messages.at(-1).__openclaw.state).toBe('interrupted');
  });
});

describe('a file that another program has locked', () => {
  test('refuses sends as worth another try until the lock is gone', async () => {
    const { gateway, client } = await scene();
    const other = new Database(database(gateway));
    onTestFinished(() => void other.close());
    other.exec('BEGIN IMMEDIATE');
    expect(await client.ask('chat.send', send('during'))).toMatchObject({
      ok: false,
      error: { code: 'UNAVAILABLE', retryable: true },
    });
    expect((await ready(gateway)).status).toBe(503);
    other.exec('ROLLBACK');
    await gateway.logged('store_recovered');
    expect((await client.say('main', 'during', 'during')).state).toBe('final');
  });
});
