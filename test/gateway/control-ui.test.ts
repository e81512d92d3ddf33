/**
 * The calls of OpenClaw's unmodified Control UI, in the order and with the parameters in which it
 * made them (recorded from release 2026.9.6): first load, a short turn, a long one that is stopped,
 * a new session, another model. What is served answers with what that page needs; what is not is
 * refused in the words that make the page do without.
 */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Client, type Json, openClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';
import { validatorFor } from '../support/published-schema.ts';
import {
  events,
  gate,
  role,
  says,
  startOpenAiUpstream,
  text,
  type Upstream,
} from '../support/upstream/openai.ts';

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  const oneapi = {
    baseUrl: upstream.url,
    apiKey: 'k',
    models: [{ id: 'mock-1' }, { id: 'mock-2' }],
  };
  gateway = await shareGateway({
    config: {
      ...testConfig(),
      agents: { defaults: { model: 'oneapi/mock-1' } },
      models: { providers: { oneapi } },
    },
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const MAIN = 'agent:main:main';
const SECOND = 'agent:main:dashboard:5b949774-c533-4e86-87aa-26265e5d4358';

const CONNECT = {
  minProtocol: 4,
  maxProtocol: 4,
  client: {
    id: 'openclaw-control-ui',
    version: '2026.9.6',
    buildId: '2026.9.6-release-eb377ac59e6c-2026-09-23T16-33-12.144Z',
    platform: 'Linux x86_64',
    mode: 'webchat',
  },
  role: 'operator',
  scopes: ['operator.admin', 'operator.read', 'operator.write', 'operator.approvals'],
  caps: ['tool-events'],
  modelCatalog: true,
};

const SIDEBAR = {
  includeGlobal: true,
  includeUnknown: true,
  configuredAgentsOnly: true,
  limit: 200,
  includeDerivedTitles: true,
  includeLastMessage: true,
  ownerFirst: true,
  agentId: 'main',
};
const CHILDREN = {
  includeGlobal: false,
  includeUnknown: false,
  configuredAgentsOnly: true,
  limit: 10_000,
  spawnedBy: MAIN,
};
/** A cursor that another gateway handed out before the page was reconnected to this one. */
const CURSOR = 'eyJhZ2VudElkIjoibWFpbiIsImdlbmVyYXRpb24iOiIwYmM3MTRmYTRmMmY0M2MxYTRhMWIzMjdjY2Ji';

/** Recorded too; not served, so not advertised either. */
const NOT_SERVED: readonly (readonly [string, object])[] = [
  ['config.get', {}],
  ['exec.approval.list', {}],
  ['plugin.approval.list', {}],
  ['openclaw.approval.list', {}],
  ['plugins.controlUi.list', {}],
  ['plugin.surface.refresh', { surface: 'canvas', observedUrl: 'http://127.0.0.1:8080/x' }],
  ['sessions.observer.visibility', { visible: true }],
  ['models.authStatus', { agentId: 'main' }],
  ['sessions.groups.list', {}],
  ['sessions.groups.defaults', {}],
  ['users.prefs.get', { keys: ['ui.theme', 'ui.themeMode', 'ui.accent', 'ui.fontUi'] }],
  ['board.get', { sessionKey: MAIN, agentId: 'main' }],
  ['projects.list', {}],
  ['sessions.viewers.set', { sessionKeys: [MAIN] }],
  ['talk.catalog', {}],
  ['cron.list', { agentId: 'main', includeDisabled: true, compact: true, limit: 50 }],
  ['cron.status', {}],
  ['mentions.list', {}],
  ['progressCard.get', { sessionKey: MAIN }],
  ['taskSuggestions.list', { agentId: 'main' }],
  ['system.info', {}],
  ['session.discussion.info', { sessionKey: MAIN, agentId: 'main' }],
  ['sessions.companion.state', { sessionKey: MAIN, agentId: 'main' }],
  ['tasks.list', { sessionKey: MAIN, agentId: 'main', status: ['queued', 'running'], limit: 200 }],
  ['controlUi.sessionPullRequests.subscribe', { sessionKeys: [MAIN] }],
  ['sessions.catalog.list', { agentId: 'main', limitPerHost: 40, allowPartialResults: true }],
  ['sessions.github.options', { sessionKey: MAIN, agentId: 'main' }],
  ['session.members.listEvidence', { sessionKey: MAIN, agentId: 'main' }],
  ['environments.list', {}],
];

async function page(): Promise<Client> {
  const client = await openClient({ port: gateway.port, user: `ui-${crypto.randomUUID()}` });
  client.hello = await client.request('connect', CONNECT);
  return client;
}

const texts = (messages: readonly Json[]) =>
  messages.map((each) => each.content.map((block: Json) => block.text).join(''));

/** What the page calls when it opens on an empty main session. */
async function load(client: Client): Promise<void> {
  expect(await client.request('sessions.subscribe', {})).toEqual({ subscribed: true });
  const list = await client.request('sessions.list', SIDEBAR);
  expect(list).toMatchObject({ count: 0, totalCount: 0, limitApplied: 200, sessions: [] });
  expect(list.defaults).toMatchObject({ modelProvider: 'oneapi', model: 'mock-1' });
  const { agents, defaultId, mainKey } = await client.request('agents.list', {});
  expect({ defaultId, mainKey }).toEqual({ defaultId: 'main', mainKey: 'main' });
  // Without it the composer is blocked with "No AI provider configured".
  expect(agents[0].model.primary).toBe('oneapi/mock-1');
  expect(await client.request('question.list', {})).toEqual({ questions: [] });
  expect(await client.request('agent.identity.get', { agentId: 'main' })).toMatchObject({
    agentId: 'main',
  });
  expect(await client.request('sessions.describe', { key: MAIN })).toEqual({ session: null });
  const startup = await client.request('chat.startup', {
    sessionKey: MAIN,
    limit: 80,
    maxBytes: 262_144,
  });
  expect(startup).toMatchObject({ sessionKey: MAIN, messages: [], hasMore: false });
  expect(startup.metadata.models).toHaveLength(2);
  const watch = { key: MAIN, includeApprovals: true };
  expect(await client.request('sessions.messages.subscribe', watch)).toEqual({
    subscribed: true,
    key: MAIN,
  });
  const metadata = await client.request('chat.metadata', { agentId: 'main', sessionKey: MAIN });
  expect(metadata).toEqual(startup.metadata);
  expect(await client.request('sessions.list', CHILDREN)).toMatchObject({ sessions: [] });
}

/** The short turn: sent, streamed, read back in every way in which the page reads it. */
async function shortTurn(client: Client): Promise<Json> {
  const runId = 'f6a3ee1d-1a33-4d57-abe6-ba268f5aec73';
  const sent = await client.request('chat.send', {
    sessionKey: MAIN,
    message: 'hello there tokens=60 delay=40',
    deliver: false,
    expectedLeafEntryId: null,
    idempotencyKey: runId,
  });
  expect(sent).toMatchObject({ runId, status: 'started', messageSeq: 1 });
  await client.event('chat', (each) => each.runId === runId && each.state === 'final');
  const answer = 'You said: hello there tokens=60 delay=40';
  expect(client.text(runId)).toBe(answer);
  const { session } = await client.request('sessions.describe', { key: MAIN, agentId: 'main' });
  expect(session).toMatchObject({
    key: MAIN,
    derivedTitle: 'hello there tokens=60 delay=40',
    modelProvider: 'oneapi',
    model: 'mock-1',
    hasActiveRun: false,
    unread: true,
  });
  const byRun = { sessionKey: MAIN, inputRunIds: [runId], limit: 1_000 };
  const history = await client.request('chat.history', byRun);
  expect(texts(history.messages)).toEqual(['hello there tokens=60 delay=40', answer]);
  expect(history.messages[0].idempotencyKey).toBe(`${runId}:user`);
  expect(history.sessionId).toBe(session.sessionId);
  const reset = await client.request('chat.history', { sessionKey: MAIN, cursor: CURSOR });
  expect(validatorFor('ChatHistoryResetResult')(reset)).toBe(true);
  const models = { view: 'configured', sessionKey: MAIN, agentId: 'main' };
  expect((await client.request('models.list', models)).models).toHaveLength(2);
  const read = { key: MAIN, agentId: 'main', expectedMarkedUnreadAt: null, unread: false };
  expect((await client.request('sessions.patch', read)).entry.unread).toBe(false);
  return history;
}

/** The long turn that the user stops. */
async function stoppedTurn(client: Client, before: Json): Promise<void> {
  const runId = '0a7d3d30-52bb-4c6b-b3a0-b38e57c95b84';
  const never = gate();
  upstream.when(says('long one'), events(role(), text('a long st'), never.promise));
  await client.request('chat.send', {
    sessionKey: MAIN,
    sessionId: before.sessionId,
    message: 'long one tokens=400 delay=40',
    deliver: false,
    expectedLeafEntryId: before.messages.at(-1).__openclaw.id,
    idempotencyKey: runId,
  });
  await client.event('chat', (each) => each.runId === runId && each.state === 'delta');
  const stop = { sessionKey: MAIN, runId };
  expect(await client.request('chat.abort', stop)).toEqual({
    ok: true,
    aborted: true,
    runIds: [runId],
  });
  await client.event('chat', (each) => each.runId === runId && each.state === 'aborted');
  const { messages } = await client.request('chat.history', { sessionKey: MAIN, limit: 80 });
  expect(texts(messages).at(-1)).toBe('a long st');
}

/** A new session with its first message, then another model for it. */
async function secondSession(client: Client): Promise<void> {
  const created = await client.request('sessions.create', {
    agentId: 'main',
    message: 'second session tokens=30 delay=30',
    key: SECOND,
    idempotencyKey: 'e3615dbe-e542-460d-bf6c-c96cd1019003',
  });
  expect(created).toMatchObject({ ok: true, key: SECOND, runStarted: true });
  const { runId } = created;
  await client.request('sessions.messages.unsubscribe', { key: MAIN });
  await client.request('sessions.messages.subscribe', { key: SECOND, includeApprovals: true });
  await client.event('chat', (each) => each.runId === runId && each.state === 'final');
  const startup = await client.request('chat.startup', {
    sessionKey: SECOND,
    limit: 80,
    maxBytes: 262_144,
    inputRunIds: [runId],
  });
  expect(texts(startup.messages)[0]).toBe('second session tokens=30 delay=30');
  const switched = await client.request('sessions.patch', { key: SECOND, model: 'oneapi/mock-2' });
  expect(switched).toMatchObject({
    ok: true,
    key: SECOND,
    entry: { modelProvider: 'oneapi', model: 'mock-2' },
    resolved: { modelProvider: 'oneapi', model: 'mock-2' },
  });
  const { sessions } = await client.request('sessions.list', SIDEBAR);
  expect(sessions.map((each: Json) => [each.key, each.model])).toEqual([
    [SECOND, 'mock-2'],
    [MAIN, 'mock-1'],
  ]);
  const end = await client.say(SECOND, 'with model two tokens=20 delay=20');
  expect(end.message.model).toBe('mock-2');
}

test('every recorded call that is served gives the page what it needs', async () => {
  const client = await page();
  expect(client.hello.auth.scopes).toEqual(['operator.read', 'operator.write']);
  expect(client.hello.server.buildId).toBeUndefined();
  await load(client);
  const history = await shortTurn(client);
  await stoppedTurn(client, history);
  await secondSession(client);
  const seqs = client.frames.filter((frame) => 'seq' in frame).map((frame) => frame.seq);
  expect(seqs).toEqual(seqs.map((_, index) => index + 1));
});

test('the page hears of its sessions and of their messages as they come', async () => {
  const client = await page();
  await load(client);
  await shortTurn(client);
  const changes = client.frames
    .filter((frame) => frame.event === 'sessions.changed')
    .map((frame) => frame.payload);
  expect(changes.map((each) => each.reason)).toEqual(['create', 'run-start', 'run-end', 'patch']);
  expect(changes.every((each) => each.sessionKey === MAIN && each.session.key === MAIN)).toBe(true);
  const messages = client.frames
    .filter((frame) => frame.event === 'session.message')
    .map((frame) => frame.payload);
  expect(messages.map((each) => each.message.role)).toEqual(['user', 'assistant']);
});

test('what is not served is not advertised, and refused as an unknown method', async () => {
  const client = await page();
  for (const [method, params] of NOT_SERVED) {
    expect(client.hello.features.methods).not.toContain(method);
    const { ok, error } = await client.ask(method, params);
    expect({ ok, error }).toEqual({
      ok: false,
      error: { code: 'INVALID_REQUEST', message: `unknown method: ${method}` },
    });
  }
});
