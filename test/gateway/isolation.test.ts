/**
 * Nobody reaches another's world. Users and instances do as they like, with others' keys, message
 * ids, session ids and run ids in hand: no frame that any of them receives holds a word of another's,
 * and what they are told of another's session is, byte for byte, what they are told of none.
 */

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Client, connectClient, isTerminal, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';
import { startOpenAiUpstream, tokens, type Upstream } from '../support/upstream/openai.ts';

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  upstream.when(
    ({ bodyText }) => bodyText.includes('take your time'),
    tokens(2_000, { everyMs: 20 }),
  );
  gateway = await shareGateway({
    config: testConfig({
      upstream: upstream.url,
      gateway: { limits: { requestsPerSecond: 0, sendsPerMinute: 0 } },
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const uuid = () => crypto.randomUUID();

/** One principal: its sockets, and what it has made so far, which is the model of its world. */
interface World {
  /** Stands in every text, label and run id of this principal, and nowhere else. */
  readonly marker: string;
  readonly client: Client;
  /** Messages that were sent, by session. */
  readonly sessions: Map<string, string[]>;
  readonly messageIds: string[];
  readonly sessionIds: string[];
  readonly runIds: string[];
  /** A key that no other principal makes; unguessable, so that it can be searched for. */
  readonly privateKey: string;
  count: number;
}

async function openWorld(user: string, instance: string): Promise<World> {
  const client = await connectClient({ port: gateway.port, user, instance, caps: ['tool-events'] });
  await client.request('sessions.subscribe');
  return {
    marker: `<${uuid()}>`,
    client,
    sessions: new Map(),
    messageIds: [],
    sessionIds: [],
    runIds: [],
    privateKey: `agent:main:${uuid()}`,
    count: 0,
  };
}

/** Two users in two instances each, and one user alone: same user, same instance, neither. */
async function openWorlds(): Promise<World[]> {
  const [one, two, three] = [uuid(), uuid(), uuid()];
  return Promise.all([
    openWorld(one, 'oc-1'),
    openWorld(one, 'oc-2'),
    openWorld(two, 'oc-1'),
    openWorld(two, 'oc-2'),
    openWorld(three, 'oc-1'),
  ]);
}

const SHARED_KEYS = ['agent:main:main', 'portal-session', 'agent:main:other'];

/** What a step may name: a session that is there for all by name, one's own, or another's private one. */
type KeyChoice = number | 'own';

function keyOf(world: World, choice: KeyChoice): string {
  return choice === 'own' ? world.privateKey : (SHARED_KEYS[choice] ?? 'main');
}

type Action =
  | { do: 'send'; key: KeyChoice; slow: boolean }
  | {
      do: 'history' | 'describe' | 'patch' | 'reset' | 'delete' | 'watch' | 'abort' | 'rewind';
      key: KeyChoice;
    }
  | { do: 'list'; search: boolean }
  /** Everything that can be asked of a session, asked of another's private one. */
  | { do: 'probe' };

interface Step {
  who: number;
  whom: number;
  action: Action;
}

const anyKey: fc.Arbitrary<KeyChoice> = fc.oneof(fc.nat(2), fc.constant('own' as const));
const anyAction: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('send'), key: anyKey, slow: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'history',
        'describe',
        'patch',
        'reset',
        'delete',
        'watch',
        'abort',
        'rewind',
      ),
      key: anyKey,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('list'), search: fc.boolean() }) },
  { weight: 4, arbitrary: fc.constant({ do: 'probe' as const }) },
);
const anyStep: fc.Arbitrary<Step> = fc.record({
  who: fc.nat(4),
  whom: fc.nat(4),
  action: anyAction,
});

async function send(world: World, key: string, slow: boolean): Promise<void> {
  world.count += 1;
  const runId = `run ${world.count} of ${world.marker}`;
  const message = `${slow ? 'take your time' : 'hello'} ${world.count} ${world.marker}`;
  const { client } = world;
  await client.request('chat.send', { sessionKey: key, message, idempotencyKey: runId });
  world.runIds.push(runId);
  world.sessions.set(key, [...(world.sessions.get(key) ?? []), message]);
  const { messages, sessionId } = await client.request('chat.history', { sessionKey: key });
  world.sessionIds.push(sessionId);
  world.messageIds.push(...messages.map((each: Json) => each.__openclaw.id));
}

/** What a session of one's own must say, by the model. */
async function read(world: World, key: string): Promise<void> {
  const { messages } = await world.client.request('chat.history', {
    sessionKey: key,
    limit: 1_000,
  });
  const mine = messages
    .filter((each: Json) => each.role === 'user')
    .map((each: Json) => each.content[0].text);
  expect(mine).toEqual(world.sessions.get(key) ?? []);
}

/** Changes a session; one that is not there is not found, whoever else has one of that name. */
async function change(world: World, method: string, params: object, key: string): Promise<boolean> {
  const { ok, error } = await world.client.ask(method, params);
  expect(ok).toBe(world.sessions.has(key));
  if (!ok) expect(error.details.code).toBe('SESSION_NOT_FOUND');
  return ok;
}

async function act(world: World, other: World, action: Action): Promise<void> {
  const { client, sessions, marker } = world;
  if (action.do === 'probe') return probe(world, other);
  if (action.do === 'list') {
    const search = action.search ? { search: marker } : {};
    const list = await client.request('sessions.list', { archived: 'all', ...search });
    const keys = list.sessions.map((each: Json) => each.key);
    if (!action.search) expect(keys.toSorted()).toEqual([...sessions.keys()].toSorted());
    return;
  }
  const key = keyOf(world, action.key);
  switch (action.do) {
    case 'send':
      return send(world, key, action.slow);
    case 'history':
      return read(world, key);
    case 'describe': {
      const { session } = await client.request('sessions.describe', { key });
      expect(session !== null).toBe(sessions.has(key));
      return;
    }
    case 'patch':
      await change(world, 'sessions.patch', { key, label: `named by ${marker}` }, key);
      return;
    case 'reset':
      if (await change(world, 'sessions.reset', { key }, key)) sessions.set(key, []);
      return;
    case 'delete':
      if (await change(world, 'sessions.delete', { key }, key)) sessions.delete(key);
      return;
    case 'rewind':
      return rewind(world, key);
    case 'watch':
      await client.request('sessions.messages.subscribe', { key });
      return;
    case 'abort':
      await change(world, 'chat.abort', { sessionKey: key }, key);
  }
}

/** Takes the newest message back; every way that was taken is then listed, and is one's own. */
async function rewind(world: World, key: string): Promise<void> {
  const { client, sessions, marker } = world;
  await change(world, 'chat.abort', { sessionKey: key }, key);
  const { messages } = await client.request('chat.history', { sessionKey: key });
  const last = messages.findLast((each: Json) => each.role === 'user');
  if (!last) return;
  const entryId = last.__openclaw.id;
  const { editorText } = await client.request('sessions.rewind', { sessionKey: key, entryId });
  const said = sessions.get(key) ?? [];
  expect(editorText).toBe(said.at(-1));
  sessions.set(key, said.slice(0, -1));
  const { branches } = await client.request('sessions.branches.list', { sessionKey: key });
  for (const branch of branches) expect(branch.headline).toContain(marker.slice(0, 10));
}

/** Requests about a session, with everything that its owner could have leaked. */
function questions(key: string, owner: World): [string, object][] {
  const messageId = owner.messageIds.at(-1) ?? '0123abcd-1';
  const sessionId = owner.sessionIds.at(-1) ?? uuid();
  const runId = owner.runIds.at(-1) ?? 'none';
  return [
    ['chat.history', { sessionKey: key }],
    ['chat.history', { sessionKey: key, messageId }],
    ['chat.startup', { sessionKey: key }],
    ['chat.message.get', { sessionKey: key, messageId }],
    ['artifacts.download', { sessionKey: key, artifactId: `${messageId}.0` }],
    ['chat.abort', { sessionKey: key }],
    ['chat.abort', { sessionKey: key, runId }],
    ['chat.inject', { sessionKey: key, message: 'intruder' }],
    ['chat.send', { sessionKey: key, message: 'intruder', idempotencyKey: 'i', sessionId }],
    [
      'chat.send',
      { sessionKey: key, message: 'intruder', idempotencyKey: 'i', expectedLeafEntryId: messageId },
    ],
    ['sessions.describe', { key }],
    ['sessions.patch', { key, label: 'intruder' }],
    ['sessions.patch', { key, label: 'intruder', expectedSessionId: sessionId }],
    ['sessions.reset', { key }],
    ['sessions.delete', { key }],
    ['sessions.delete', { key, expectedSessionId: sessionId }],
    ['sessions.rewind', { sessionKey: key, entryId: messageId }],
    ['sessions.fork', { sessionKey: key, entryId: messageId }],
    ['sessions.branches.list', { sessionKey: key }],
    ['sessions.branches.switch', { sessionKey: key, leafEntryId: messageId }],
    ['sessions.search', { query: owner.marker }],
    ['sessions.search', { query: 'hello', sessionKeys: [key] }],
    ['sessions.abort', { key }],
    ['sessions.abort', { key, runId }],
    ['sessions.messages.subscribe', { key }],
    ['sessions.messages.unsubscribe', { key }],
    ['sessions.list', { search: key }],
    ['sessions.list', { label: `named by ${owner.marker}` }],
  ];
}

/** Asks about the other's private session, then the same about one that nobody has, and compares. */
async function probe(world: World, other: World): Promise<void> {
  if (world === other) return;
  const missing = `agent:main:${uuid()}`;
  const about = async (key: string) => {
    const replies = questions(key, other).map(async ([method, params]) => {
      const { id: _, ...reply } = await world.client.ask(method, params);
      if (reply.payload && 'ts' in reply.payload) delete reply.payload.ts;
      return `${method} ${JSON.stringify(reply).replaceAll(key, '<key>')}`;
    });
    return Promise.all(replies);
  };
  expect(await about(other.privateKey)).toEqual(await about(missing));
  const { client } = world;
  for (const runId of other.runIds.slice(-2)) {
    expect(await client.request('sessions.abort', { runId })).toMatchObject({ runIds: [] });
  }
  // In a session of one's own the ids of others mean nothing either.
  for (const messageId of other.messageIds.slice(-2)) {
    for (const sessionKey of world.sessions.keys()) {
      const reply = await client.request('chat.message.get', { sessionKey, messageId });
      expect(reply).toEqual({ ok: false, unavailableReason: 'not_found' });
      for (const method of ['sessions.rewind', 'sessions.fork']) {
        const { error } = await client.ask(method, { sessionKey, entryId: messageId });
        expect(error.details.code).toBe('ENTRY_NOT_FOUND');
      }
    }
  }
}

/** Where a frame of somebody holds a text or an id of somebody else, or tells of somebody else's run. */
function leaks(worlds: readonly World[]): string[] {
  return worlds.flatMap((world, reader) => {
    const received = world.client.frames.map((frame) => JSON.stringify(frame)).join('\n');
    const others = worlds.filter((other) => other !== world);
    const words = others.flatMap(({ marker, sessionIds, messageIds }) => [
      marker,
      ...sessionIds,
      ...messageIds.map((id) => `"${id}"`),
    ]);
    const runs = world.client.frames
      .filter((frame) => frame.event === 'chat' || frame.event === 'agent')
      .map((frame): string => frame.payload.runId)
      .filter((runId) => !world.runIds.includes(runId));
    const found = [...words.filter((word) => received.includes(word)), ...runs];
    return found.map((word) => `${reader} received ${word}`);
  });
}

/** Lets every run end, so that nothing arrives after the look at the frames. */
async function settle(world: World): Promise<void> {
  for (const key of world.sessions.keys()) {
    await world.client.request('chat.abort', { sessionKey: key });
  }
  for (const runId of world.runIds) {
    await world.client.event('chat', (each) => each.runId === runId && isTerminal(each.state));
  }
  // A round trip behind the last event: what was sent to this socket before has arrived.
  await world.client.request('health');
}

test('whatever anybody does, everybody meets only their own', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 25, maxLength: 45 }), async (steps) => {
      const worlds = await openWorlds();
      for (const { who, whom, action } of steps) {
        const [world, other] = [worlds[who], worlds[whom]];
        if (!world || !other) throw new Error('no such world');
        await act(world, other, action);
      }
      await Promise.all(worlds.map(settle));
      for (const world of worlds) {
        for (const key of [...SHARED_KEYS, world.privateKey]) await read(world, key);
      }
      expect(leaks(worlds)).toEqual([]);
      await Promise.all(worlds.map((world) => world.client.close()));
    }),
    { numRuns: 25 },
  );
});

test('two tabs of one principal do share: the property above is not true by silence', async () => {
  const user = uuid();
  const [one, two] = await Promise.all([openWorld(user, 'oc-1'), openWorld(user, 'oc-1')]);
  await send(one, 'agent:main:main', false);
  const runId = one.runIds[0];
  await two.client.event('chat', (each) => each.runId === runId && each.state === 'final');
  expect(leaks([one, two])).toContain(`1 received ${one.marker}`);
});
