/** Several processes serve one store: who meets whom, and what is lost when one of them dies. Nothing. */

import { once } from 'node:events';
import { existsSync, renameSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nginxFront, ORIGIN, startChain, urlPath } from '../../deploy/chain.ts';
import { runCommand } from '../../support/cli.ts';
import { type Client, connectClient, isTerminal, type Json } from '../../support/client.ts';
import { testConfig } from '../../support/config.ts';
import { INSTANCE } from '../../support/edge-stubs.ts';
import { startGateway, temporaryFolder } from '../../support/gateway.ts';
import { freePorts } from '../../support/ports.ts';
import {
  DONE,
  events,
  finish,
  gate,
  lastUserText,
  role,
  says,
  startOpenAiUpstream,
  text,
} from '../../support/upstream/openai.ts';
import { connectAnywhere, startWorkers } from '../../support/workers.ts';

const messageText = (message: Json) => message.content.map((block: Json) => block.text).join('');

async function scene(gateway: Record<string, unknown> = {}) {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const stateDir = await temporaryFolder();
  const config = testConfig({
    upstream: upstream.url,
    gateway: {
      workers: 2,
      controlUi: { allowedOrigins: [ORIGIN], dangerouslyDisableDeviceAuth: true },
      streaming: { checkpointMs: 10 },
      ...gateway,
    },
    logging: { level: 'debug' },
  });
  return { upstream, stateDir, config, start: () => startWorkers({ stateDir, config }) };
}

/** nginx before the workers. A token names its user, and the session key by which nginx chooses a worker. */
async function front(ports: readonly number[], users: readonly string[], sessions = 1) {
  const names = users.flatMap((user) =>
    Array.from({ length: sessions }, (_, n) => ({ user, session: `web-${user}-${n}` })),
  );
  const token = ({ user, session }: { user: string; session: string }) =>
    `tok-sekret-${user}-${session}`;
  const chain = await startChain(nginxFront, {
    tokens: Object.fromEntries(names.map((name) => [token(name), name])),
    map: () => `${INSTANCE}  oc_pool;\n`,
    values: {
      upstreams: { oc_pool: ports.map((port) => `127.0.0.1:${port}`) },
      limits: { handshakesPerSecond: 10_000 },
    },
  });
  /** A page that comes back until it is let in. */
  return async (user: string, session = 0): Promise<Client> => {
    const path = urlPath(token({ user, session: `web-${user}-${session}` }));
    for (;;) {
      try {
        return await connectClient({ port: chain.front.port, path, origin: ORIGIN });
      } catch {
        await sleep(5);
      }
    }
  };
}

/** So many that nginx, whose choice depends on ports, cannot send all of them to one worker. */
const USERS = Array.from({ length: 24 }, (_, n) => `user-${n}`);

async function send(client: Client, message: string, sessionKey = 'main'): Promise<void> {
  await client.request('chat.send', { sessionKey, message, idempotencyKey: message });
}

describe('behind nginx', () => {
  test("users are spread over the workers, and one user's tabs meet on one", async () => {
    const { start } = await scene();
    const gateway = await start();
    // Tabs of several session keys: nginx alone would spread them.
    const connect = await front(gateway.ports, USERS, 3);
    const tabs = new Map<string, Client[]>();
    for (const user of USERS) {
      tabs.set(user, [await connect(user, 0), await connect(user, 1), await connect(user, 2)]);
    }
    const workers = new Set<number>();
    for (const [user, clients] of tabs) {
      const those = new Set(await Promise.all(clients.map(gateway.workerOf)));
      expect([...those], user).toHaveLength(1);
      for (const worker of those) workers.add(worker);
    }
    expect(workers).toEqual(new Set([0, 1]));
    for (const [user, [first, ...others]] of tabs) {
      await first?.say('main', `hello of ${user}`, `run-${user}`);
      for (const tab of others) {
        const end = await tab.event('chat', (each) => each.state === 'final');
        expect(messageText(end.message)).toBe(`You said: hello of ${user}`);
      }
    }
  });

  test('a worker is killed in mid-answer: its users move, nothing is lost, nothing runs twice', async () => {
    const { upstream, start } = await scene();
    const [never, hold] = [gate(), gate()];
    upstream.when(says('story'), events(role(), text('Once upon '), text('a time'), never.promise));
    upstream.when(says('held'), events(role(), hold.promise, text('held'), finish('stop'), DONE));
    const gateway = await start();
    const connect = await front(gateway.ports, ['ann', ...USERS]);
    const ann = await connect('ann');
    const victim = await gateway.workerOf(ann);
    const others = await Promise.all(USERS.map((user) => connect(user)));
    const theirs = await Promise.all(others.map(gateway.workerOf));
    const other = others[theirs.indexOf(1 - victim)];
    if (!other) throw new Error('all users are on one worker');
    await send(other, 'held by the neighbour');
    await send(ann, 'story');
    for (const message of ['held 1', 'two', 'three']) await send(ann, message);
    await send(ann, 'held in another', 'agent:main:other');
    await ann.event('chat', () => ann.text('story') === 'Once upon a time');
    await gateway.checkpointed('story', 'Once upon a time'.length);
    const asked = () => upstream.requests.map(({ body }) => lastUserText(body));
    await expect.poll(asked).toContain('held in another');
    gateway.kill(victim);
    await ann.closed;

    const back = await connect('ann');
    expect(await gateway.workerOf(back)).toBe(1 - victim);
    await gateway.started(victim, 2);
    // Who was started again does not get its users back while another serves them.
    expect(await gateway.workerOf(await connect('ann'))).toBe(1 - victim);
    hold.open();
    const ended = ({ runId, state }: Json) => runId === 'three' && isTerminal(state);
    await back.event('chat', ended);
    const { messages } = await back.request('chat.history', { sessionKey: 'main' });
    expect(messages.map(messageText)).toEqual([
      'story',
      'Once upon a time',
      'held 1',
      'held',
      'two',
      'You said: two',
      'three',
      'You said: three',
    ]);
    expect(messages[1].__openclaw.state).toBe('interrupted');
    const again = await back.ask('chat.send', {
      sessionKey: 'main',
      message: 'story',
      idempotencyKey: 'story',
    });
    expect(again.payload).toMatchObject({ status: 'error' });
    // The one in another session had started, too.
    expect(await gateway.logged('recovered', { interrupted: 2 })).toMatchObject({ queued: 3 });
    await other.event('chat', (each) => each.state === 'final');
    expect(asked().toSorted()).toEqual(
      ['held 1', 'held by the neighbour', 'held in another', 'story', 'three', 'two'].toSorted(),
    );
  });
});

test('a worker is stopped alone: it ends what it answers, what waits is answered by another', async () => {
  const { upstream, start } = await scene({ shutdown: { graceSeconds: 60 } });
  const hold = gate();
  upstream.when(
    says('hold'),
    events(role(), text('first '), hold.promise, text('last'), finish('stop'), DONE),
  );
  const gateway = await start();
  const client = await connectAnywhere(gateway.ports, { user: 'ann', origin: ORIGIN });
  const stopped = await gateway.workerOf(client);
  for (const message of ['hold', 'two']) await send(client, message);
  await client.event('chat', () => client.text('hold') === 'first ');
  gateway.kill(stopped, 'SIGTERM');
  await client.event('shutdown');
  hold.open();
  const end = await client.event('chat', (each) => each.runId === 'hold' && each.state === 'final');
  expect(messageText(end.message)).toBe('first last');
  expect(await client.closed).toMatchObject({ code: 1012 });
  const back = await connectAnywhere(gateway.ports, { user: 'ann', origin: ORIGIN });
  const again = { sessionKey: 'main', message: 'two', idempotencyKey: 'two' };
  if ((await back.request('chat.send', again)).status === 'in_flight') {
    await back.event('chat', (each) => each.runId === 'two' && isTerminal(each.state));
  }
  const { messages } = await back.request('chat.history', { sessionKey: 'main' });
  expect(messages.map(messageText)).toEqual(['hold', 'first last', 'two', 'You said: two']);
  expect(upstream.requests.map(({ body }) => lastUserText(body))).toEqual(['hold', 'two']);
  expect(await gateway.logged('worker_ended', { worker: stopped })).toMatchObject({ code: 0 });
});

test('all are stopped while one already stops: it still ends what it answers', async () => {
  const { upstream, start } = await scene({ shutdown: { graceSeconds: 60 } });
  const hold = gate();
  upstream.script(events(role(), text('first '), hold.promise, text('last'), finish('stop'), DONE));
  const gateway = await start();
  const client = await connectAnywhere(gateway.ports, { user: 'ann', origin: ORIGIN });
  await send(client, 'hold');
  await client.event('chat', () => client.text('hold') === 'first ');
  gateway.kill(await gateway.workerOf(client), 'SIGTERM');
  await client.event('shutdown');
  // Two signals to one process are one, or somebody who insists: by the time between them.
  await sleep(700);
  gateway.signal('SIGTERM');
  await gateway.logged('stopping', { signal: 'SIGTERM', pid: gateway.pid });
  hold.open();
  const end = await client.event('chat', (each) => each.runId === 'hold' && each.state === 'final');
  expect(messageText(end.message)).toBe('first last');
  expect(await client.closed).toMatchObject({ code: 1012 });
  expect(await gateway.exited).toEqual({ code: 0, signal: null });
});

test('who cannot take over what another left does not hold up a stop', async () => {
  const { start, stateDir } = await scene();
  const gateway = await start();
  const client = await connectAnywhere(gateway.ports, { user: 'ann', origin: ORIGIN });
  const served = await gateway.workerOf(client);
  const other = new Database(join(stateDir, 'oc-gateway.sqlite'));
  onTestFinished(() => void other.close());
  other.exec('BEGIN IMMEDIATE');
  gateway.kill(served);
  await gateway.logged('inherit_failed');
  gateway.signal('SIGTERM');
  expect(await gateway.exited).toEqual({ code: 0, signal: null });
});

test('a worker that starts after the files were moved away makes no store of its own', async () => {
  const { start, stateDir } = await scene();
  const gateway = await start();
  const client = await connectAnywhere(gateway.ports, { user: 'ann', origin: ORIGIN });
  await client.say('main', 'kept');
  const served = await gateway.workerOf(client);
  const store = join(stateDir, 'oc-gateway.sqlite');
  const files = [store, `${store}-wal`, `${store}-shm`];
  for (const file of files) renameSync(file, `${file}.moved`);
  gateway.kill(served);
  expect(await gateway.logged('worker_failed', { worker: served })).toMatchObject({
    message: expect.stringContaining('moved, replaced or removed'),
  });
  expect(existsSync(store)).toBe(false);
  for (const file of files) renameSync(`${file}.moved`, file);
  const back = await connectAnywhere(gateway.ports, { user: 'ann', origin: ORIGIN });
  const { messages } = await back.request('chat.history', { sessionKey: 'main' });
  expect(messages.map(messageText)).toEqual(['kept', 'You said: kept']);
});

describe('the supervisor', () => {
  test('takes its workers with it when it is killed; who comes next finds all that was acknowledged', async () => {
    const { upstream, start, stateDir, config } = await scene();
    const never = gate();
    upstream.when(says('story'), events(role(), text('Once upon a time'), never.promise));
    const gateway = await start();
    const client = await connectAnywhere(gateway.ports, { user: 'ann', origin: ORIGIN });
    for (const message of ['story', 'two']) await send(client, message);
    await client.event('chat', () => client.text('story') !== '');

    // Nobody else may have the store, whether as one process or as several.
    const env = { OPENCLAW_STATE_DIR: stateDir };
    const second = await runCommand(['serve', '--port', '0'], { env });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('in use by another gateway');

    gateway.signal('SIGKILL');
    // At once: it waits for the workers that are left.
    const next = await startWorkers({ stateDir, config });
    await gateway.exited;
    // Their orphans close in good order.
    expect(await client.closed).toEqual({ code: 1012, reason: 'gateway restarting' });
    await next.logged('recovered', { queued: 1 });
    const back = await connectAnywhere(next.ports, { user: 'ann', origin: ORIGIN });
    const end = await back.request('chat.send', {
      sessionKey: 'main',
      message: 'two',
      idempotencyKey: 'two',
    });
    if (end.status === 'in_flight') {
      await back.event('chat', (each) => each.runId === 'two' && isTerminal(each.state));
    }
    const { messages } = await back.request('chat.history', { sessionKey: 'main' });
    expect(messages.map(messageText)).toEqual([
      'story',
      'Once upon a time',
      'two',
      'You said: two',
    ]);
    const asked = upstream.requests.map(({ body }) => lastUserText(body));
    expect(asked).toEqual(['story', 'two']);
  });

  test('SIGTERM: all workers finish what is under way, and it ends with 0; one process can go on', async () => {
    const { upstream, start, stateDir, config } = await scene({ shutdown: { graceSeconds: 60 } });
    const hold = gate();
    upstream.when(
      says('hold'),
      events(role(), text('first '), hold.promise, text('last'), finish('stop'), DONE),
    );
    const gateway = await start();
    const clients = await Promise.all(
      ['ann', 'bob'].map((user, n) =>
        connectClient({ port: gateway.ports[n] ?? 0, user, origin: ORIGIN }),
      ),
    );
    for (const client of clients) {
      await send(client, 'hold');
      await client.event('chat', (each) => each.state === 'delta');
    }
    gateway.signal('SIGTERM');
    for (const client of clients) await client.event('shutdown');
    hold.open();
    for (const client of clients) {
      const end = await client.event('chat', (each) => isTerminal(each.state));
      expect(messageText(end.message)).toBe('first last');
      expect(await client.closed).toMatchObject({ code: 1012 });
    }
    expect(await gateway.exited).toEqual({ code: 0, signal: null });

    const gatewayOfOne = { ...(config['gateway'] as object), workers: 1 };
    const alone = await startGateway({ stateDir, config: { ...config, gateway: gatewayOfOne } });
    const back = await connectClient({ port: alone.port, user: 'ann', origin: ORIGIN });
    const { messages } = await back.request('chat.history', { sessionKey: 'main' });
    expect(messages.map(messageText)).toEqual(['hold', 'first last']);
  });

  test('starts nothing if one of its ports is taken; nobody else starts a worker', async () => {
    const { stateDir, config } = await scene();
    const taken = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void taken.close());
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const path = join(stateDir, 'other.json');
    await writeFile(path, JSON.stringify(config));
    const env = { OPENCLAW_STATE_DIR: stateDir };
    const args = ['serve', '--config', path, '--port', String(port - 1)];
    const refused = await runCommand(args, { env });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/cannot listen on 127\.0\.0\.1:\d+/);
    expect(await runCommand(['worker'], { env })).toMatchObject({ code: 2 });
    const beyond = await runCommand(['serve', '--config', path, '--port', '65535'], { env });
    expect(beyond.stderr).toContain('give a port up to 65534');
  });

  test('what is for all workers reaches all: closed sockets, a removed user, an edit, retention', async () => {
    const { upstream, start, config } = await scene({
      admin: { port: 0, token: 'portal-token', operatorToken: 'operator-token' },
    });
    const never = gate();
    upstream.when(says('story'), events(role(), text('Once upon a time'), never.promise));
    const gateway = await start();
    const listening = await gateway.logged('listening', { pid: gateway.pid });
    const { port: adminPort } = listening['admin'] as { port: number };
    const call = async (path: string, body: object) => {
      const response = await fetch(`http://127.0.0.1:${adminPort}${path}`, {
        method: 'POST',
        headers: { authorization: 'Bearer operator-token' },
        body: JSON.stringify(body),
      });
      return response.json();
    };
    /** One tab of the user on each worker: two instances, so two principals. */
    const onEach = (user: string) =>
      Promise.all(
        gateway.ports.map((port, n) =>
          connectClient({ port, user, instance: `oc-${n}`, origin: ORIGIN }),
        ),
      );

    const anns = await onEach('ann');
    expect(await call('/v1/sockets/close', { userId: 'ann' })).toEqual({ closed: 2 });
    for (const client of anns) expect(await client.closed).toMatchObject({ code: 4003 });

    const bobs = await onEach('bob');
    for (const client of bobs) {
      await send(client, 'story');
      await client.event('chat', (each) => each.state === 'delta');
    }
    const removed = await call('/v1/users/delete', { userId: 'bob' });
    expect(removed).toEqual({ sockets: 2, sessions: 2, messages: 4 });
    for (const request of upstream.requests) expect(await request.closed).toBe('dropped');
    for (const client of await onEach('bob')) {
      expect((await client.request('sessions.list')).sessions).toEqual([]);
      // And may begin anew.
      await client.say('main', 'hello');
    }

    // A worker that is started again looks at retention; the pages of others hear of it.
    const cems = await onEach('cem');
    for (const client of cems) {
      await client.request('sessions.subscribe');
      await client.say('main', 'to be forgotten');
    }
    const edited = { ...config, session: { maintenance: { mode: 'enforce', pruneAfter: '1ms' } } };
    await gateway.writeConfig(edited);
    gateway.signal('SIGHUP');
    await gateway.logged('config_applied');
    gateway.kill(0);
    await cems[1]?.event('sessions.changed', (each) => each.reason === 'delete');

    // An edit that shuts a user out closes the sockets on both.
    await gateway.started(0, 2);
    const dans = await onEach('dan');
    await gateway.writeConfig({
      ...edited,
      gateway: {
        ...(config['gateway'] as object),
        auth: {
          mode: 'trusted-proxy',
          trustedProxy: { allowLoopback: true, allowUsers: ['ann'] },
        },
      },
    });
    for (const client of dans) expect(await client.closed).toMatchObject({ code: 1008 });
  });
});

test('the terminal talks to the worker that serves its user, whichever that is', async () => {
  const { stateDir, config } = await scene();
  const first = await freePorts(2);
  const gateway = await startWorkers({ stateDir, config, args: ['--port', String(first)] });
  const env = { OPENCLAW_STATE_DIR: stateDir };
  const chat = (user: string) =>
    runCommand(['chat', 'hello', '--user', user, '--port', String(first)], { env });
  for (const worker of [0, 1]) {
    const user = `user-of-${worker}`;
    const port = first + worker;
    const tab = await connectClient({ port, user, origin: ORIGIN });
    expect(await chat(user)).toEqual({ code: 0, stdout: 'You said: hello\n', stderr: '' });
    // Both are in one process: what is said in one is heard in the other.
    const end = await tab.event('chat', (each) => each.state === 'final');
    expect(messageText(end.message)).toBe('You said: hello');
  }
  gateway.signal('SIGKILL');
  await gateway.exited;
  const nobody = await chat('user-of-1');
  expect(nobody.code).toBe(1);
  expect(nobody.stderr).toContain(`ws://127.0.0.1:${first}, ws://127.0.0.1:${first + 1}`);
});
