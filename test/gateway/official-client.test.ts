/**
 * OpenClaw's own reference client (`@openclaw/gateway-client`), unmodified, behind a proxy that adds
 * the identity headers: what its users rely on works here.
 */

import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { GatewayClient, type GatewayClientOptions } from '@openclaw/gateway-client';
import {
  createSessionProjection,
  type EventFrame,
  GatewayBrowserDeviceAuthLifecycle,
  type GatewayBrowserDeviceAuthPlan,
  GatewayProtocolClient,
  type GatewayProtocolSocketHandlers,
  type HelloOk,
  reduceSessionProjection,
  reduceSessionProjectionRunEvent,
  type SessionProjectionState,
} from '@openclaw/gateway-client/browser';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { isTerminal, type Json, ORIGIN } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';
import { createInbox } from '../support/inbox.ts';
import { startProxy } from '../support/proxy.ts';
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
/** The proxy's word is the identity. */
let open: SharedGateway;
/** A device is asked for beside it. */
let strict: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  const controlUi = { allowedOrigins: [ORIGIN], dangerouslyDisableDeviceAuth: false };
  [open, strict] = await Promise.all([
    shareGateway({ config: testConfig({ upstream: upstream.url }) }),
    shareGateway({ config: testConfig({ upstream: upstream.url, gateway: { controlUi } }) }),
  ]);
});
afterAll(async () => {
  await Promise.all([open.stop(), strict.stop()]);
  await upstream.close();
});

const messageText = (message: Json) => message.content.map((block: Json) => block.text).join('');

/** What a client of either kind tells about itself. */
interface Heard {
  /** The `index`th successful handshake, from 0. */
  hello(index?: number): Promise<HelloOk>;
  event(name: string, matches?: (payload: Json) => boolean): Promise<Json>;
  deltas(runId: string): string;
  readonly gaps: readonly unknown[];
}

function listener() {
  const hellos = createInbox<{ hello: HelloOk; index: number }>();
  const received = createInbox<EventFrame>();
  const gaps: unknown[] = [];
  const payloads = (name: string) =>
    received.items.filter((each) => each.event === name).map((each): Json => each.payload);
  const heard: Heard = {
    hello: async (index = 0) => (await hellos.find((each) => each.index === index)).hello,
    async event(name, matches = () => true) {
      return (await received.find((each) => each.event === name && matches(each.payload))).payload;
    },
    deltas: (runId) =>
      payloads('chat')
        .filter((each) => each.runId === runId && each.state === 'delta')
        .map((each) => each.deltaText)
        .join(''),
    gaps,
  };
  return {
    heard,
    callbacks: {
      onHello: (hello: HelloOk) => hellos.push({ hello, index: hellos.items.length }),
      onEvent: (event: EventFrame) => received.push(event),
      onGap: (gap: unknown) => void gaps.push(gap),
    },
  };
}

/** The Node entry's client, started. Stops with the test. */
function startNodeClient(url: string, options: GatewayClientOptions = {}) {
  const { heard, callbacks } = listener();
  const { onHello: onHelloOk, onEvent, onGap } = callbacks;
  const client = new GatewayClient({ url, onHelloOk, onEvent, onGap, ...options });
  onTestFinished(() => client.stopAndWait());
  client.start();
  return { client, ...heard };
}

const freshUser = () => `official-${crypto.randomUUID()}`;
const turn = (message: string, idempotencyKey: string) => ({
  sessionKey: 'main',
  message,
  idempotencyKey,
});

describe('the Node client', () => {
  test('connects as the user whom the proxy names, on the main session that it names', async () => {
    const user = freshUser();
    const identity = { user, instance: 'oc-ai-jp-2-02', session: 'portal-7' };
    const proxy = await startProxy(open.port, identity);
    const { client, hello } = startNodeClient(proxy.url);
    const { snapshot, auth, features } = await hello();
    expect(snapshot.sessionDefaults).toMatchObject({ mainSessionKey: 'portal-7' });
    expect(auth).toMatchObject({ role: 'operator', scopes: ['operator.read', 'operator.write'] });
    expect(features.methods).toContain('chat.send');
    const { profile } = await client.request<Json>('users.self');
    expect(profile.displayName).toBe(user);
  });

  test('cannot say who it is: what it sends of itself does not pass the proxy', async () => {
    const user = freshUser();
    const proxy = await startProxy(open.port, { user });
    const { client, hello } = startNodeClient(proxy.url, {
      token: 'stolen',
      origin: 'https://evil.example',
    });
    await hello();
    const { profile } = await client.request<Json>('users.self');
    expect(profile.displayName).toBe(user);
  });

  test('chats: what streams is what is stored', async () => {
    const proxy = await startProxy(open.port, { user: freshUser() });
    const { client, hello, event, deltas, gaps } = startNodeClient(proxy.url);
    await hello();
    const accepted = await client.request('chat.send', turn('hello official client', 'r1'));
    expect(accepted).toEqual({ runId: 'r1', status: 'started', messageSeq: 1 });
    const end = await event('chat', (each) => each.runId === 'r1' && isTerminal(each.state));
    expect(end).toMatchObject({ state: 'final', stopReason: 'stop' });
    expect(messageText(end.message)).toBe('You said: hello official client');
    expect(deltas('r1')).toBe('You said: hello official client');
    const { messages } = await client.request<Json>('chat.history', { sessionKey: 'main' });
    expect(messages.map(messageText)).toEqual(['hello official client', deltas('r1')]);
    expect(gaps).toEqual([]);
  });

  test('stops an answer, and the upstream hears of it', async () => {
    const never = gate();
    upstream.when(says('stop, client'), events(role(), text('so far'), never.promise));
    const proxy = await startProxy(open.port, { user: freshUser() });
    const { client, hello, event } = startNodeClient(proxy.url);
    await hello();
    await client.request('chat.send', turn('stop, client', 'r-stop'));
    await event('chat', (each) => each.state === 'delta');
    const stopped = await client.request('chat.abort', { sessionKey: 'main', runId: 'r-stop' });
    expect(stopped).toEqual({ ok: true, aborted: true, runIds: ['r-stop'] });
    const end = await event('chat', (each) => isTerminal(each.state));
    expect(messageText(end.message)).toBe('so far');
    const call = upstream.requests.find((each) => each.bodyText.includes('stop, client'));
    expect(await call?.closed).toBe('dropped');
  });

  test('reconnects by itself after a cut in the middle of an answer, and misses nothing', async () => {
    const hold = gate();
    upstream.when(
      says('cut me off'),
      events(role(), text('before the cut'), hold.promise, text(', after'), finish('stop'), DONE),
    );
    const proxy = await startProxy(open.port, { user: freshUser() });
    const { client, hello, event, deltas, gaps } = startNodeClient(proxy.url);
    await hello(0);
    await client.request('chat.send', turn('cut me off', 'r-cut'));
    await event('chat', (each) => each.runId === 'r-cut' && each.state === 'delta');
    const before = deltas('r-cut');

    proxy.cut();
    await hello(1);

    expect(proxy.forwarded()).toBe(2);
    const history = await client.request<Json>('chat.history', { sessionKey: 'main' });
    expect(history.inFlightRun).toMatchObject({ runId: 'r-cut', text: 'before the cut' });
    hold.open();
    const end = await event('chat', (each) => each.runId === 'r-cut' && isTerminal(each.state));
    expect(messageText(end.message)).toBe('before the cut, after');
    const after = deltas('r-cut').slice(before.length);
    expect(history.inFlightRun.text + after).toBe('before the cut, after');
    expect(gaps).toEqual([]);
  });

  test('gives a typed error for what it may not or cannot ask', async () => {
    const proxy = await startProxy(open.port, { user: freshUser() });
    const { client, hello } = startNodeClient(proxy.url);
    await hello();
    await expect(client.request('config.get')).rejects.toMatchObject({
      gatewayCode: 'INVALID_REQUEST',
      message: 'unknown method: config.get',
    });
    const note = { sessionKey: 'main', message: 'x' };
    await expect(client.request('chat.inject', note)).rejects.toMatchObject({
      gatewayCode: 'FORBIDDEN',
      details: { code: 'MISSING_SCOPE', missingScope: 'operator.admin' },
    });
  });

  test('learns why it is refused when its page is not allowed', async () => {
    const origin = 'https://evil.example';
    const proxy = await startProxy(open.port, { user: freshUser(), origin });
    const refused = createInbox<Error>();
    startNodeClient(proxy.url, { onConnectError: (error) => refused.push(error) });
    const error = await refused.find(() => true);
    expect(error).toMatchObject({ details: { code: 'CONTROL_UI_ORIGIN_NOT_ALLOWED' } });
  });
});

/** An ed25519 key as the Node client takes it. */
function newDevice() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const publicKeyPem = String(publicKey.export({ type: 'spki', format: 'pem' }));
  const privateKeyPem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const deviceId = createHash('sha256').update(rawKey(publicKey)).digest('hex');
  return {
    deviceIdentity: { deviceId, publicKeyPem, privateKeyPem },
    hostDeps: {
      signDevicePayload: (pem: string, payload: string) =>
        sign(null, Buffer.from(payload), pem).toString('base64url'),
      publicKeyRawBase64UrlFromPem: (pem: string) =>
        rawKey(createPublicKey(pem)).toString('base64url'),
    },
  };
}

/** The last 32 bytes of the DER form are the key itself (RFC 8410). */
function rawKey(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' }).subarray(-32);
}

describe('device identity', () => {
  test.each([
    ['where it is asked for', () => strict],
    ['where it is not', () => open],
  ])('of the Node client is accepted %s', async (_, gateway) => {
    const proxy = await startProxy(gateway().port, { user: freshUser() });
    const { client, hello, event } = startNodeClient(proxy.url, {
      ...newDevice(),
      deviceFamily: 'Test Bench',
    });
    await hello();
    await client.request('chat.send', turn('signed hello', 'r-signed'));
    const end = await event('chat', (each) => isTerminal(each.state));
    expect(end.state).toBe('final');
  });

  test('that is missing where it is asked for makes the client stop trying', async () => {
    const proxy = await startProxy(strict.port, { user: freshUser() });
    const paused = createInbox<{ detailCode: string | null }>();
    startNodeClient(proxy.url, { onReconnectPaused: (info) => paused.push(info) });
    const { detailCode } = await paused.find(() => true);
    expect(detailCode).toBe('CONTROL_UI_DEVICE_IDENTITY_REQUIRED');
  });

  test('with a signature of another key is refused', async () => {
    const proxy = await startProxy(strict.port, { user: freshUser() });
    const refused = createInbox<Error>();
    const other = newDevice().deviceIdentity.privateKeyPem;
    const device = newDevice();
    startNodeClient(proxy.url, {
      deviceIdentity: { ...device.deviceIdentity, privateKeyPem: other },
      hostDeps: device.hostDeps,
      onConnectError: (error) => refused.push(error),
    });
    const error = await refused.find(() => true);
    expect(error).toMatchObject({ details: { code: 'DEVICE_AUTH_SIGNATURE_INVALID' } });
  });
});

const BROWSER_CLIENT = {
  id: 'webchat-ui',
  version: '1.0.0',
  platform: 'web',
  mode: 'webchat',
} as const;

/** The browser entry's client on the runtime's own WebSocket, with a WebCrypto key, started. */
async function startBrowserClient(url: string) {
  const { heard, callbacks } = listener();
  const keys = await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']);
  if (!('privateKey' in keys)) throw new Error('not a key pair');
  const raw = Buffer.from(await crypto.subtle.exportKey('raw', keys.publicKey));
  const devices = new GatewayBrowserDeviceAuthLifecycle({
    loadIdentity: async () => ({
      deviceId: createHash('sha256').update(raw).digest('hex'),
      publicKey: raw.toString('base64url'),
      sign: async (payload) => {
        const bytes = await crypto.subtle.sign('Ed25519', keys.privateKey, Buffer.from(payload));
        return Buffer.from(bytes).toString('base64url');
      },
    }),
    tokenStore: { load: () => null, store: () => {}, clear: () => {} },
  });
  const client = new GatewayProtocolClient<GatewayBrowserDeviceAuthPlan>({
    createSocket: (handlers) => browserSocket(url, handlers),
    createRequestId: () => crypto.randomUUID(),
    buildConnectPlan: ({ nonce, challengeTs }) =>
      devices.buildPlan({
        client: BROWSER_CLIENT,
        role: 'operator',
        defaultScopes: ['operator.read', 'operator.write'],
        nonce,
        ...(challengeTs !== undefined && { challengeTs }),
      }),
    buildConnectParams: ({ role: asked, scopes, device, auth }) => ({
      minProtocol: 4,
      maxProtocol: 4,
      client: BROWSER_CLIENT,
      role: asked,
      scopes,
      device,
      auth,
    }),
    resolveClose: () => ({ retry: true, notify: true }),
    handshake: { mode: 'require-challenge', timeoutMs: 10_000 },
    reconnect: { initialMs: 10, multiplier: 2, maxMs: 1_000 },
    ...callbacks,
  });
  onTestFinished(() => client.stop());
  client.start();
  return { client, ...heard };
}

function browserSocket(url: string, handlers: GatewayProtocolSocketHandlers) {
  const socket = new WebSocket(url);
  socket.addEventListener('open', () => handlers.open());
  socket.addEventListener('message', ({ data }) => handlers.message(String(data)));
  socket.addEventListener('close', ({ code, reason }) => handlers.close(code, reason));
  socket.addEventListener('error', () => handlers.error(new Error('socket error')));
  return {
    isOpen: () => socket.readyState === WebSocket.OPEN,
    send: (data: string) => socket.send(data),
    close: (code?: number, reason?: string) => socket.close(code, reason),
  };
}

/** The client's own model of a conversation, fed with everything that it heard of a run. */
function project(state: SessionProjectionState, payload: Json): SessionProjectionState {
  return reduceSessionProjectionRunEvent(state, payload)?.projection ?? state;
}

describe('the browser client', () => {
  test.each([
    ['asked for', () => strict],
    ['not asked for', () => open],
  ])('chats over the platform WebSocket where a device is %s', async (_, gateway) => {
    const proxy = await startProxy(gateway().port, { user: freshUser() });
    const { client, hello, event, deltas } = await startBrowserClient(proxy.url);
    await hello();
    await client.request('chat.send', turn('hello browser', 'b1'));
    const end = await event('chat', (each) => each.runId === 'b1' && isTerminal(each.state));
    expect(messageText(end.message)).toBe('You said: hello browser');
    expect(deltas('b1')).toBe('You said: hello browser');
  });

  test('reconnects after a cut without a gap in its sequence', async () => {
    const proxy = await startProxy(strict.port, { user: freshUser() });
    const { client, hello, event, gaps } = await startBrowserClient(proxy.url);
    await hello(0);
    await client.request('chat.send', turn('before', 'b2'));
    await event('chat', (each) => each.runId === 'b2' && isTerminal(each.state));
    proxy.cut();
    await hello(1);
    await client.request('chat.send', turn('after', 'b3'));
    await event('chat', (each) => each.runId === 'b3' && isTerminal(each.state));
    const { messages } = await client.request<Json>('chat.history', { sessionKey: 'main' });
    expect(messages).toHaveLength(4);
    expect(gaps).toEqual([]);
  });

  test('recognises live messages and those of history as the same ones', async () => {
    const proxy = await startProxy(open.port, { user: freshUser() });
    const { client, hello, event } = await startBrowserClient(proxy.url);
    await hello();
    const sessionKey = 'agent:main:main';
    await client.request('sessions.messages.subscribe', { key: sessionKey });
    const pending = { role: 'user', content: 'who am I', idempotencyKey: 'b4:user' };
    let state = reduceSessionProjection(createSessionProjection({ sessionKey }), {
      type: 'sendPending',
      message: pending,
      idempotencyKey: 'b4',
    });
    await client.request('chat.send', { ...turn('who am I', 'b4'), sessionKey });
    const mine = await event('session.message', (each) => each.message.role === 'user');
    const end = await event('chat', (each) => isTerminal(each.state));
    const answer = await event('session.message', (each) => each.message.role === 'assistant');
    const persisted = (message: Json, envelope: Json) =>
      reduceSessionProjection(state, { type: 'messagePersisted', message, envelope });
    state = persisted(mine.message, mine);
    state = project(state, end);
    state = persisted(answer.message, answer);
    const { messages } = await client.request<Json>('chat.history', { sessionKey });
    state = reduceSessionProjection(state, { type: 'snapshotLoaded', messages });
    expect(state.messages).toEqual(messages);
    expect(state.messages).toHaveLength(2);
    expect(state.runs['b4']?.status).toBe('completed');
  });
});
