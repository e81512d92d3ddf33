/** Writing again: rewind, branches and forks as a page uses them, and who hears of them. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connectClient, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway, startGateway } from '../support/gateway.ts';
import { startOpenAiUpstream, tokens, type Upstream } from '../support/upstream/openai.ts';

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  upstream.when(({ bodyText }) => bodyText.includes('slowly'), tokens(2_000, { everyMs: 20 }));
  gateway = await shareGateway({
    config: testConfig({ upstream: upstream.url, entries: { main: {}, helper: {} } }),
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const someone = (user = `someone-${crypto.randomUUID()}`) =>
  connectClient({ port: gateway.port, user });

const KEY = 'agent:main:main';
const PNG = Buffer.from('a picture').toString('base64');

async function rows(client: Client, sessionKey = KEY): Promise<Json[]> {
  return (await client.request('chat.history', { sessionKey, limit: 1_000 })).messages;
}

/** What the user said, message by message. */
async function said(client: Client, sessionKey = KEY): Promise<string[]> {
  const users = (await rows(client, sessionKey)).filter((row) => row.role === 'user');
  return users.map((row) => row.content[0].text);
}

async function idOf(client: Client, text: string): Promise<string> {
  const row = (await rows(client)).find((each) => each.content[0]?.text === text);
  return row.__openclaw.id;
}

const listed = async (client: Client): Promise<Json[]> =>
  (await client.request('sessions.branches.list', { sessionKey: KEY })).branches;

const errorOf = async (client: Client, method: string, params: object) =>
  (await client.ask(method, { sessionKey: KEY, ...params })).error;

describe('sessions.rewind', () => {
  test('regenerates: the model is asked the same again, and both answers stay', async () => {
    const client = await someone();
    const marker = crypto.randomUUID();
    await client.say(KEY, 'hello');
    await client.say(KEY, marker);
    const entryId = await idOf(client, marker);
    const { editorText, ...rest } = await client.request('sessions.rewind', {
      sessionKey: KEY,
      entryId,
    });
    expect({ editorText, rest }).toEqual({ editorText: marker, rest: {} });
    expect(await said(client)).toEqual(['hello']);
    await client.say(KEY, editorText);
    expect(await said(client)).toEqual(['hello', marker]);
    const asked = upstream.requests
      .filter((each) => each.bodyText.includes(marker))
      .map((each) => (each.body as Json).messages);
    expect(asked).toHaveLength(2);
    expect(asked[1]).toEqual(asked[0]);
    const branches = await listed(client);
    expect(branches).toEqual([
      expect.objectContaining({ headline: marker, messageCount: 4, active: false }),
      expect.objectContaining({ headline: marker, messageCount: 4, active: true }),
    ]);
    expect(Date.parse(branches[1].updatedAt)).toBeGreaterThanOrEqual(
      Date.parse(branches[0].updatedAt),
    );
  });

  test('gives the attachments back', async () => {
    const client = await someone();
    const attachments = [{ mimeType: 'image/png', content: PNG }];
    const send = { sessionKey: KEY, message: 'look', idempotencyKey: 'r', attachments };
    await client.request('chat.send', send);
    await client.event('chat', (each) => each.state === 'final');
    const entryId = await idOf(client, 'look');
    expect(await client.request('sessions.rewind', { sessionKey: KEY, entryId })).toEqual({
      editorText: 'look',
      editorAttachments: [{ mimeType: 'image/png', data: PNG }],
    });
  });

  test('tells other tabs, which then load another history', async () => {
    const user = crypto.randomUUID();
    const [one, two] = await Promise.all([someone(user), someone(user)]);
    await two.request('sessions.subscribe');
    await one.say(KEY, 'hello');
    const entryId = await idOf(one, 'hello');
    const [{ leafEntryId }] = await listed(one);
    await one.request('sessions.rewind', { sessionKey: KEY, entryId });
    const rewound = await two.event('sessions.changed', (each) => each.reason === 'rewind');
    expect(rewound.sessionKey).toBe(KEY);
    expect(rewound.session).not.toHaveProperty('activeLeafEntryId');
    expect(await said(two)).toEqual([]);
    expect((await listed(two)).map((each) => each.active)).toEqual([false]);
    await one.request('sessions.branches.switch', { sessionKey: KEY, leafEntryId });
    const switched = await two.event('sessions.changed', (each) => each.reason === 'switch');
    expect(switched.session.activeLeafEntryId).toBe(leafEntryId);
    expect(await said(two)).toEqual(['hello']);
  });

  test('waits for nobody: while an answer is under way it is refused, and works after an abort', async () => {
    const client = await someone();
    await client.say(KEY, 'first');
    const entryId = await idOf(client, 'first');
    const [{ leafEntryId }] = await listed(client);
    await client.request('chat.send', { sessionKey: KEY, message: 'slowly', idempotencyKey: 's' });
    const busy = { code: 'UNAVAILABLE', retryable: true, details: { code: 'SESSION_BUSY' } };
    expect(await errorOf(client, 'sessions.rewind', { entryId })).toMatchObject(busy);
    expect(await errorOf(client, 'sessions.branches.switch', { leafEntryId })).toMatchObject(busy);
    // A copy of what was said before disturbs nobody.
    const { sessionKey } = await client.request('sessions.fork', {
      sessionKey: KEY,
      entryId: leafEntryId,
    });
    expect(await said(client, sessionKey)).toEqual(['first']);
    await client.request('chat.abort', { sessionKey: KEY });
    await client.request('sessions.rewind', { sessionKey: KEY, entryId });
    expect(await said(client)).toEqual([]);
  });

  test('refuses what is not there, each case by its name', async () => {
    const client = await someone();
    await client.say(KEY, 'one');
    const entryId = await idOf(client, 'one');
    const [{ leafEntryId }] = await listed(client);
    const codes = async (method: string, params: object) =>
      (await errorOf(client, method, params)).details.code;
    expect(await codes('sessions.rewind', { entryId: 'nonsense' })).toBe('ENTRY_NOT_FOUND');
    expect(await codes('sessions.rewind', { entryId: leafEntryId })).toBe('ENTRY_NOT_FOUND');
    expect(await codes('sessions.branches.switch', { leafEntryId: entryId })).toBe('STALE_LEAF');
    const nowhere = { sessionKey: 'agent:main:nowhere', entryId, leafEntryId };
    for (const method of ['rewind', 'fork', 'branches.list', 'branches.switch']) {
      expect(await codes(`sessions.${method}`, nowhere)).toBe('SESSION_NOT_FOUND');
    }
    await client.request('sessions.rewind', { sessionKey: KEY, entryId });
    await client.say(KEY, 'two');
    expect(await codes('sessions.rewind', { entryId })).toBe('STALE_LEAF');
    const other = { entryId, agentId: 'helper' };
    expect((await errorOf(client, 'sessions.rewind', other)).message).toContain('at /agentId');
    const unknown = { entryId, agentId: 'nobody' };
    expect(await codes('sessions.rewind', unknown)).toBe('UNKNOWN_AGENT_ID');
  });
});

describe('sessions.fork', () => {
  test('goes on elsewhere, and the two do not know of each other', async () => {
    const client = await someone();
    await client.request('sessions.subscribe');
    const attachments = [{ mimeType: 'image/png', content: PNG }];
    const look = { sessionKey: KEY, message: 'look', idempotencyKey: 'r', attachments };
    await client.request('chat.send', look);
    await client.event('chat', (each) => each.state === 'final');
    await client.say(KEY, 'and this');
    const entryId = await idOf(client, 'and this');
    const made = await client.request('sessions.fork', { sessionKey: KEY, entryId });
    expect(made).toEqual({
      sessionKey: expect.stringMatching(/^agent:main:dashboard:/),
      editorText: 'and this',
    });
    const event = await client.event('sessions.changed', (each) => each.reason === 'fork');
    expect(event.session).toMatchObject({ key: made.sessionKey, derivedTitle: 'look' });
    const marker = crypto.randomUUID();
    await client.say(made.sessionKey, marker);
    expect(await said(client, made.sessionKey)).toEqual(['look', marker]);
    expect(await said(client)).toEqual(['look', 'and this']);
    const call = upstream.requests.findLast((each) => each.bodyText.includes(marker));
    expect(call?.bodyText).toContain(PNG);
    const list = await client.request('sessions.list');
    expect(list.sessions.map((row: Json) => row.key)).toEqual([made.sessionKey, KEY]);
  });
});

test('a rewind that was answered survives a kill', async () => {
  const first = await startGateway({ config: testConfig({ upstream: upstream.url }) });
  const client = await connectClient({ port: first.port });
  await client.say(KEY, 'one');
  await client.say(KEY, 'two');
  const entryId = await idOf(client, 'two');
  await client.request('sessions.rewind', { sessionKey: KEY, entryId });
  first.signal('SIGKILL');
  await first.exited;
  const second = await startGateway({
    config: testConfig({ upstream: upstream.url }),
    stateDir: first.stateDir,
  });
  const again = await connectClient({ port: second.port });
  expect(await said(again)).toEqual(['one']);
  expect(await listed(again)).toMatchObject([{ headline: 'two', active: false }]);
});
