/** `oc-gateway users …`: a person's data. */

import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runCommand } from '../../support/cli.ts';
import { connectClient } from '../../support/client.ts';
import { testConfig } from '../../support/config.ts';
import { startGateway } from '../../support/gateway.ts';
import {
  DONE,
  events,
  finish,
  gate,
  role,
  says,
  startOpenAiUpstream,
  text,
} from '../../support/upstream/openai.ts';

const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

test('users export prints all of a user and nothing of others, while the gateway serves', async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const gateway = await startGateway({ config: testConfig({ upstream: upstream.url }) });
  const alice = await connectClient({ port: gateway.port, user: 'alice' });
  const bob = await connectClient({ port: gateway.port, user: 'bob' });
  await alice.request('chat.send', {
    sessionKey: 'main',
    message: 'a picture',
    idempotencyKey: 'r1',
    attachments: [{ type: 'image', mimeType: 'image/png', fileName: 'dot.png', content: PNG }],
  });
  await alice.event('chat', (each) => each.runId === 'r1' && each.state === 'final');
  await alice.say('agent:main:second', 'another conversation');
  await bob.say('main', 'not for alice');

  const env = { OPENCLAW_STATE_DIR: gateway.stateDir };
  const exported = await runCommand(['users', 'export', 'alice'], { env });
  expect(exported).toMatchObject({ code: 0, stderr: '' });
  const lines = exported.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ type }) => type)).toEqual([
    'session',
    'message',
    'attachment',
    'message',
    'session',
    'message',
    'message',
  ]);
  expect(lines[2]).toMatchObject({ fileName: 'dot.png', base64: PNG, seq: 1 });
  expect(exported.stdout).toContain('You said: another conversation');
  expect(exported.stdout).not.toContain('not for alice');

  const nobody = await runCommand(['users', 'export', 'Alice'], { env });
  expect(nobody).toMatchObject({ code: 1, stdout: '' });
  expect(nobody.stderr).toContain('case-sensitive');
});

/** The command must be able to read the port from the file, so it cannot be 0 there. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  server.close();
  await once(server, 'close');
  return port;
}

const SECRET = 'the-words-of-alice';

/** Alice has said much, in two instances and with a picture; bob a little. */
async function twoUsers(gateway: { port: number }) {
  const alice = await connectClient({ port: gateway.port, user: 'alice-of-old', instance: 'oc-1' });
  const elsewhere = await connectClient({
    port: gateway.port,
    user: 'alice-of-old',
    instance: 'oc-2',
  });
  const bob = await connectClient({ port: gateway.port, user: 'bob', instance: 'oc-1' });
  await alice.say('agent:main:one', SECRET);
  // Above a slice of the removal, so that it takes the long way.
  for (let n = 0; n < 55; n++) await alice.say('agent:main:long', `${SECRET} ${n}`);
  await elsewhere.say('main', SECRET);
  await bob.say('main', 'the words of bob');
  return { alice, elsewhere, bob };
}

async function traces(stateDir: string): Promise<string[]> {
  const names = (await readdir(stateDir)).filter((name) => name.startsWith('oc-gateway.sqlite'));
  const files = await Promise.all(names.map((name) => readFile(join(stateDir, name), 'latin1')));
  return [SECRET, 'alice-of-old', 'the words of bob'].filter((words) =>
    files.some((file) => file.includes(words)),
  );
}

test('users delete removes all of a user while the gateway serves, and nothing of others', async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const port = await freePort();
  const admin = { port, token: 'a-token-of-the-portal', operatorToken: 'an-operator-token' };
  const config = testConfig({ upstream: upstream.url, gateway: { admin } });
  const gateway = await startGateway({ config });
  const { alice, elsewhere, bob } = await twoUsers(gateway);
  const open = gate();
  upstream.when(says('hold'), events(role(), text('held'), open.promise, finish('stop'), DONE));
  await alice.request('chat.send', {
    sessionKey: 'agent:main:held',
    message: 'hold',
    idempotencyKey: 'held',
  });
  await alice.event('chat', (each) => each.runId === 'held' && each.state === 'delta');

  const env = { OPENCLAW_STATE_DIR: gateway.stateDir };
  const deleted = await runCommand(['users', 'delete', 'alice-of-old'], { env });
  expect(deleted).toMatchObject({ code: 0, stderr: '' });
  expect(deleted.stdout).toContain('removed 4 sessions with 116 messages');
  for (const client of [alice, elsewhere]) {
    expect(await client.closed).toEqual({ code: 4003, reason: 'access revoked' });
  }
  const exported = await runCommand(['users', 'export', 'alice-of-old'], { env });
  expect(exported).toMatchObject({ code: 1, stdout: '' });
  expect(await runCommand(['users', 'export', ''], { env })).toMatchObject({ code: 1, stdout: '' });
  const again = await connectClient({ port: gateway.port, user: 'alice-of-old', instance: 'oc-1' });
  expect((await again.request('sessions.list', {})).sessions).toEqual([]);
  await again.close();
  expect((await bob.request('chat.history', { sessionKey: 'main' })).messages).toHaveLength(2);
  const checked = await runCommand(['db', 'check'], { env });
  expect(checked.stdout).toMatch(/^ok: 1 users, 1 sessions, 2 messages, /);

  gateway.signal('SIGTERM');
  await gateway.exited;
  expect(await runCommand(['db', 'vacuum'], { env })).toMatchObject({ code: 0 });
  expect(await traces(gateway.stateDir)).toEqual(['the words of bob']);
});

test('users delete removes all of a user from a store that nobody serves', async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const gateway = await startGateway({ config: testConfig({ upstream: upstream.url }) });
  await twoUsers(gateway);
  const env = { OPENCLAW_STATE_DIR: gateway.stateDir };
  const served = await runCommand(['users', 'delete', 'alice-of-old'], { env });
  expect(served).toMatchObject({ code: 1, stdout: '' });
  expect(served.stderr).toContain('gateway.admin');
  gateway.signal('SIGTERM');
  await gateway.exited;
  const deleted = await runCommand(['users', 'delete', 'alice-of-old'], { env });
  expect(deleted).toMatchObject({ code: 0, stderr: '' });
  expect(deleted.stdout).toContain('removed 3 sessions with 114 messages');
  expect(await runCommand(['users', 'delete', 'alice-of-old'], { env })).toMatchObject({ code: 1 });
  await runCommand(['db', 'vacuum'], { env });
  expect(await traces(gateway.stateDir)).toEqual(['the words of bob']);
});

test('users delete names the secret that it needs to ask the gateway that serves', async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const admin = { port: await freePort(), token: 't', operatorToken: '${OPERATOR}' };
  const config = testConfig({ upstream: upstream.url, gateway: { admin } });
  const gateway = await startGateway({ config, env: { OPERATOR: 'an-operator-token' } });
  const client = await connectClient({ port: gateway.port, user: 'alice' });
  await client.say('main', 'hello');
  const env = { OPENCLAW_STATE_DIR: gateway.stateDir };
  const refused = await runCommand(['users', 'delete', 'alice'], { env });
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain('the environment variable OPERATOR');
  await gateway.writeConfig({
    ...config,
    models: { providers: { mock: { baseUrl: upstream.url, apiKey: '${UNSET_KEY}' } } },
  });
  const withToken = { ...env, OPERATOR: 'an-operator-token' };
  expect(await runCommand(['users', 'delete', 'alice'], { env: withToken })).toMatchObject({
    code: 0,
    stderr: '',
  });
});
