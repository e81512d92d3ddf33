/** Edits of openclaw.json reach the running gateway: agents, models, trust; a bad one changes nothing. */

import { expect, onTestFinished, test } from 'vitest';
import { connectClient, connectParams, openClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { startGateway } from '../support/gateway.ts';
import {
  DONE,
  events,
  finish,
  gate,
  role,
  startOpenAiUpstream,
  text,
} from '../support/upstream/openai.ts';
import { connectAnywhere, startWorkers } from '../support/workers.ts';

async function scene() {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const options = { upstream: upstream.url };
  const gateway = await startGateway({ config: testConfig(options) });
  return { upstream, gateway, options };
}

test('another model answers after an edit, on the same socket', async () => {
  const { upstream, gateway, options } = await scene();
  const client = await connectClient({ port: gateway.port });
  await client.say('main', 'before');
  await gateway.writeConfig(testConfig({ ...options, defaults: { model: 'mock/mock-2' } }));
  await gateway.logged('config_applied');
  await client.say('main', 'after');
  const models = upstream.requests.map((each) => each.body as { model: string });
  expect(models.map((body) => body.model)).toEqual(['mock-1', 'mock-2']);
});

test('a call that waits for its turn is made as the configuration says when it comes', async () => {
  const [before, after] = [await startOpenAiUpstream(), await startOpenAiUpstream()];
  onTestFinished(async () => {
    await before.close();
    await after.close();
  });
  const hold = gate();
  before.script(events(role(), text('first'), hold.promise, finish('stop'), DONE));
  const provider = { maxConcurrentCalls: 1 };
  const gateway = await startGateway({ config: testConfig({ upstream: before.url, provider }) });
  const ann = await connectClient({ port: gateway.port, user: 'ann' });
  const bob = await connectClient({ port: gateway.port, user: 'bob' });
  const first = ann.say('main', 'holds the place', 'first');
  await ann.event('chat', () => ann.text('first') === 'first');
  const send = { sessionKey: 'main', message: 'waits', idempotencyKey: 'second' };
  await bob.request('chat.send', send);
  await gateway.writeConfig(testConfig({ upstream: after.url, provider }));
  await gateway.logged('config_applied');
  // Where there is room for it at once, it would have come before the other has ended.
  expect((await bob.request('health')).ok).toBe(true);
  expect(after.requests).toEqual([]);
  hold.open();
  expect(await first).toMatchObject({ state: 'final' });
  await bob.event('chat', (each) => each.runId === 'second' && each.state === 'final');
  expect([before.requests.length, after.requests.length]).toEqual([1, 1]);
});

test('a repeated send gets its answer, though nothing is configured any more that could answer a new one', async () => {
  const { upstream, gateway, options } = await scene();
  const client = await connectClient({ port: gateway.port });
  const send = { sessionKey: 'main', message: 'hello', idempotencyKey: 'once' };
  await client.say('main', send.message, send.idempotencyKey);
  await gateway.writeConfig({ ...testConfig(options), agents: { defaults: {} } });
  await gateway.logged('config_applied');
  expect(await client.request('chat.send', send)).toMatchObject({ runId: 'once', status: 'ok' });
  const fresh = await client.ask('chat.send', { ...send, idempotencyKey: 'another' });
  expect(fresh.error).toMatchObject({ details: { code: 'MODEL_NOT_CONFIGURED' } });
  expect(upstream.requests).toHaveLength(1);
});

test('SIGHUP reads the file at once', async () => {
  const { gateway, options } = await scene();
  await gateway.writeConfig(testConfig({ ...options, defaults: { systemPrompt: 'Be brief.' } }));
  gateway.signal('SIGHUP');
  expect(await gateway.logged('config_applied')).toMatchObject({ afterRestart: [] });
});

test('an edit before it listens is in force when it does', async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const configured = (trustedProxy: object) =>
    testConfig({
      upstream: upstream.url,
      gateway: { workers: 2, auth: { mode: 'trusted-proxy', trustedProxy } },
    });
  const gateway = await startWorkers({
    config: configured({ allowLoopback: true }),
    async meanwhile(starting) {
      // Its workers have been told the configuration, and do not listen yet.
      await starting.logged('recovered');
      await starting.writeConfig(configured({ allowLoopback: true, allowUsers: ['bob'] }));
      starting.signal('SIGHUP');
      await starting.logged('config_applied');
    },
  });
  for (const port of gateway.ports) {
    await expect
      .poll(() => connectClient({ port, user: 'alice' }).catch((error: unknown) => error))
      .toMatchObject({ error: { details: { authReason: 'trusted_proxy_user_not_allowed' } } });
  }
  const bob = await connectAnywhere(gateway.ports, { user: 'bob' });
  expect(await bob.request('health')).toMatchObject({ ok: true });
});

test('a bad edit keeps the old configuration and says why', async () => {
  const { gateway, options } = await scene();
  const client = await connectClient({ port: gateway.port });
  await gateway.writeConfig({ ...testConfig(options), gatewayy: {} });
  const refused = await gateway.logged('config_refused');
  expect(JSON.stringify(refused)).toContain('gatewayy');
  expect(await client.say('main', 'still there?')).toMatchObject({ state: 'final' });
});

test('a socket that would no longer be admitted is closed; others stay', async () => {
  const { gateway, options } = await scene();
  const alice = await connectClient({ port: gateway.port, user: 'alice' });
  const bob = await connectClient({ port: gateway.port, user: 'bob' });
  const trustedProxy = { allowLoopback: true, allowUsers: ['bob'] };
  await gateway.writeConfig(
    testConfig({ ...options, gateway: { auth: { mode: 'trusted-proxy', trustedProxy } } }),
  );
  expect(await alice.closed).toEqual({
    code: 1008,
    reason: 'no longer allowed by the configuration',
  });
  expect(await bob.request('health')).toMatchObject({ ok: true });
  await expect(connectClient({ port: gateway.port, user: 'alice' })).rejects.toMatchObject({
    error: { details: { authReason: 'trusted_proxy_user_not_allowed' } },
  });
});

test('keys that need a restart are named', async () => {
  const { gateway, options } = await scene();
  await gateway.writeConfig(testConfig({ ...options, gateway: { port: 4321 } }));
  const applied = await gateway.logged('config_applied');
  expect(applied).toMatchObject({ afterRestart: ['gateway.port'] });
});

test('keys that need a restart are named until it comes, or until they are changed back', async () => {
  const { gateway, options } = await scene();
  const waiting = () =>
    gateway.logs
      .filter(({ event }) => event === 'config_applied')
      .map(({ afterRestart }) => afterRestart);
  const edits = [
    { gateway: { port: 4321 } },
    { gateway: { port: 4321 }, logging: { level: 'debug' } },
    { gateway: { workers: 2 }, logging: { level: 'debug' } },
    {},
  ];
  for (const [index, edit] of edits.entries()) {
    await gateway.writeConfig(testConfig({ ...options, ...edit }));
    await expect.poll(() => waiting().length).toBe(index + 1);
  }
  expect(waiting()).toEqual([['gateway.port'], ['gateway.port'], ['gateway.workers'], []]);
});

test('scopes that an edit takes away are gone, and a device that it asks for is missed', async () => {
  const { gateway, options } = await scene();
  const auth = (identityScopes: object) => ({
    gateway: {
      auth: { mode: 'trusted-proxy', trustedProxy: { allowLoopback: true }, identityScopes },
    },
  });
  await gateway.writeConfig(testConfig({ ...options, ...auth({ alice: ['operator.admin'] }) }));
  await gateway.logged('config_applied');
  const alice = await connectClient({ port: gateway.port, user: 'alice' });
  await alice.say('main', 'hello');
  const note = { sessionKey: 'main', message: 'a note' };
  expect(await alice.request('chat.inject', note)).toMatchObject({ ok: true });
  const bob = await connectClient({ port: gateway.port, user: 'bob' });
  await gateway.writeConfig(
    testConfig({ ...options, ...auth({}), defaults: { systemPrompt: 'changed' } }),
  );
  await alice.say('main', 'wait for the edit');
  await expect
    .poll(async () => (await alice.ask('chat.inject', note)).error?.code, { timeout: 10_000 })
    .toBe('FORBIDDEN');
  const { gateway: section } = testConfig(options) as { gateway: { controlUi: object } };
  const controlUi = { ...section.controlUi, dangerouslyDisableDeviceAuth: false };
  await gateway.writeConfig(testConfig({ ...options, gateway: { controlUi } }));
  expect(await bob.closed).toMatchObject({ code: 1008 });
});

test('an instance that gets another agent has its sockets closed, so that hello-ok tells the new one', async () => {
  const { upstream, gateway, options } = await scene();
  const helper = { systemPrompt: 'You are the helper.' };
  const bound = (agent: string) =>
    testConfig({
      ...options,
      entries: { main: {}, helper },
      gateway: { instances: { 'oc-1': agent, 'oc-2': 'main' } },
    });
  await gateway.writeConfig(bound('main'));
  await gateway.logged('config_applied');
  const at = { port: gateway.port, session: 'portal-session' };
  const alice = await connectClient({ ...at, instance: 'oc-1' });
  const bob = await connectClient({ ...at, instance: 'oc-2' });
  await alice.say('portal-session', 'before');
  await gateway.writeConfig(bound('helper'));
  expect(await alice.closed).toEqual({ code: 1012, reason: 'the configuration changed' });
  const again = await connectClient({ ...at, instance: 'oc-1' });
  expect(again.hello.snapshot.sessionDefaults.defaultAgentId).toBe('helper');
  await again.say('portal-session', 'after');
  expect(upstream.requests.at(-1)?.bodyText).toContain('You are the helper.');
  const { session } = await again.request('sessions.describe', { key: 'portal-session' });
  expect(session.agentId).toBe('helper');
  expect(await bob.request('health')).toMatchObject({ ok: true });
});

test('a socket that was refused is told its own reason, whatever an edit changes meanwhile', async () => {
  const { gateway, options } = await scene();
  const auth = (allowUsers: string[]) => ({
    gateway: { auth: { mode: 'trusted-proxy', trustedProxy: { allowLoopback: true, allowUsers } } },
  });
  await gateway.writeConfig(testConfig({ ...options, ...auth(['bob']) }));
  await gateway.logged('config_applied');
  const alice = await openClient({ port: gateway.port, user: 'alice' });
  await alice.event('connect.challenge');
  const bob = await connectClient({ port: gateway.port, user: 'bob' });
  await gateway.writeConfig(testConfig({ ...options, ...auth(['alice']) }));
  await bob.closed;
  await expect(alice.request('connect', connectParams())).rejects.toMatchObject({
    error: { details: { authReason: 'trusted_proxy_user_not_allowed' } },
  });
  expect(await alice.closed).toEqual({ code: 1008, reason: 'unauthorized' });
  await connectClient({ port: gateway.port, user: 'alice' });
});
