/** The main job: a message in over a real socket, a model's tokens out, everything stored. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectClient, isTerminal, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';
import {
  answer,
  DONE,
  events,
  finish,
  gate,
  role,
  says,
  startOpenAiUpstream,
  text,
  tokens,
  type Upstream,
  usage,
} from '../support/upstream/openai.ts';

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  gateway = await shareGateway({ config: testConfig({ upstream: upstream.url }) });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

/** A fresh user for each test: their worlds do not touch. */
const alice = (options: object = {}) =>
  connectClient({ port: gateway.port, user: `alice-${crypto.randomUUID()}`, ...options });

const messageText = (message: Json) => message.content.map((block: Json) => block.text).join('');

describe('a turn', () => {
  test('streams, ends once, and is stored: deltas = final = history', async () => {
    upstream.when(says('poem'), answer('Roses are red, 紫罗兰 are blue 🌹, and so on.'));
    const client = await alice();
    const final = await client.say('main', 'a poem please', 'run-1');

    expect(final).toMatchObject({ state: 'final', stopReason: 'stop' });
    expect(messageText(final.message)).toBe('Roses are red, 紫罗兰 are blue 🌹, and so on.');
    expect(client.text('run-1')).toBe(messageText(final.message));
    const { messages } = await client.request('chat.history', { sessionKey: 'main' });
    expect(messages.map((each: Json) => [each.role, messageText(each)])).toEqual([
      ['user', 'a poem please'],
      ['assistant', messageText(final.message)],
    ]);
    expect(messages[0].idempotencyKey).toBe('run-1:user');
    expect(client.chatEvents('run-1').filter((each) => isTerminal(each.state))).toHaveLength(1);
  });

  test('is acknowledged with its run id before anything of it is told', async () => {
    const client = await alice();
    const ack = await client.request('chat.send', {
      sessionKey: 'main',
      message: 'hello',
      idempotencyKey: 'k-ack',
    });
    expect(ack).toEqual({ runId: 'k-ack', status: 'started', messageSeq: 1 });
    const ackAt = client.frames.findIndex((frame) => frame.payload?.status === 'started');
    const firstAt = client.frames.findIndex((frame) => frame.event === 'chat');
    expect(firstAt === -1 || firstAt > ackAt).toBe(true);
  });

  test('numbers the frames of a connection without gaps, and the events of a run upwards', async () => {
    const client = await alice({ caps: ['tool-events'] });
    await client.say('main', 'count', 'run-seq');
    const seqs = client.frames.filter((frame) => 'seq' in frame).map((frame) => frame.seq);
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));
    const runSeqs = client.chatEvents('run-seq').map((each) => each.seq);
    expect(runSeqs).toEqual(runSeqs.map((_, index) => index + 1));
  });

  test('sends the system prompt and the conversation so far upstream', async () => {
    const client = await alice();
    await client.say('main', 'first question');
    await client.say('main', 'second question');
    const request: Json = upstream.requests
      .map((each) => each.body as Json)
      .findLast((body) => JSON.stringify(body).includes('second question'));
    expect(request.messages.map((each: Json) => each.role)).toEqual(['user', 'assistant', 'user']);
    expect(request.model).toBe('mock-1');
  });

  test('reports the usage that the upstream counted', async () => {
    upstream.when(
      says('usage please'),
      events(role(), text('ok'), finish('stop'), usage(100, 7, 40), DONE),
    );
    const client = await alice();
    const final = await client.say('main', 'usage please');
    expect(final.usage).toEqual({ input: 60, output: 7, cacheRead: 40, cacheWrite: 0, total: 107 });
    const { session } = await client.request('sessions.describe', { key: 'main' });
    expect(session).toMatchObject({ inputTokens: 100, outputTokens: 7, totalTokens: 100 });
  });

  test('goes to clients with tool-events as agent events too', async () => {
    const client = await alice({ caps: ['tool-events'] });
    const final = await client.say('main', 'mirror', 'run-mirror');
    await client.event('agent', (each) => each.stream === 'lifecycle' && each.data.phase === 'end');
    const agent = client.frames
      .filter((frame) => frame.event === 'agent')
      .map((frame) => frame.payload);
    expect(agent[0]).toMatchObject({ stream: 'lifecycle', data: { phase: 'start' } });
    const said = agent.filter((each) => each.stream === 'assistant').map((each) => each.data.delta);
    expect(said.join('')).toBe(messageText(final.message));
  });
});

describe('the same idempotency key', () => {
  test('never reaches the model twice', async () => {
    const hold = gate();
    upstream.when(
      says('only once'),
      events(role(), text('one'), hold.promise, finish('stop'), DONE),
    );
    const client = await alice();
    const params = { sessionKey: 'main', message: 'only once', idempotencyKey: 'k-once' };
    const [first, second] = await Promise.all([
      client.request('chat.send', params),
      client.request('chat.send', params),
    ]);
    expect(first.status).toBe('started');
    expect(second).toMatchObject({ runId: 'k-once', status: 'in_flight' });
    hold.open();
    await client.event('chat', (each) => each.runId === 'k-once' && each.state === 'final');
    expect(await client.request('chat.send', params)).toMatchObject({ status: 'ok' });
    const calls = upstream.requests.filter((each) => each.bodyText.includes('only once'));
    expect(calls).toHaveLength(1);
  });

  test('means another run for another session and another user', async () => {
    const one = await alice();
    const other = await alice();
    await one.say('main', 'hi', 'shared-key');
    await one.say('side', 'hi', 'shared-key');
    const third = await other.say('main', 'hi', 'shared-key');
    expect(third.state).toBe('final');
    const { messages } = await other.request('chat.history', { sessionKey: 'main' });
    expect(messages).toHaveLength(2);
  });
});

describe('stopping', () => {
  test('closes the upstream connection at once and keeps what was said', async () => {
    const never = gate();
    upstream.when(says('stop me'), events(role(), text('half an ans'), never.promise));
    const client = await alice();
    await client.request('chat.send', {
      sessionKey: 'main',
      message: 'stop me',
      idempotencyKey: 'k-stop',
    });
    await client.event('chat', (each) => each.runId === 'k-stop' && each.state === 'delta');
    const aborted = await client.request('chat.abort', { sessionKey: 'main', runId: 'k-stop' });
    expect(aborted).toEqual({ ok: true, aborted: true, runIds: ['k-stop'] });
    const end = await client.event(
      'chat',
      (each) => each.runId === 'k-stop' && isTerminal(each.state),
    );
    expect(end).toMatchObject({ state: 'aborted', stopReason: 'rpc' });
    expect(messageText(end.message)).toBe('half an ans');
    const call = upstream.requests.find((each) => each.bodyText.includes('stop me'));
    expect(await call?.closed).toBe('dropped');
    const { messages } = await client.request('chat.history', { sessionKey: 'main' });
    expect(messageText(messages[1])).toBe('half an ans');
    expect(messages[1].__openclaw.state).toBe('aborted');
  });

  test('of a run that has ended says that there was nothing to stop', async () => {
    const client = await alice();
    await client.say('main', 'quick', 'k-done');
    const aborted = await client.request('chat.abort', { sessionKey: 'main', runId: 'k-done' });
    expect(aborted).toEqual({ ok: true, aborted: false, runIds: [] });
  });
});

describe('a busy session', () => {
  test('queues what comes, in order, and answers with everything before it in mind', async () => {
    const hold = gate();
    upstream.when(
      says('slow one'),
      events(role(), text('slow'), hold.promise, finish('stop'), DONE),
    );
    const client = await alice();
    for (const [id, message] of [
      ['q1', 'slow one'],
      ['q2', 'second'],
      ['q3', 'third'],
    ]) {
      await client.request('chat.send', { sessionKey: 'main', message, idempotencyKey: id });
    }
    const { session } = await client.request('sessions.describe', { key: 'main' });
    expect(session).toMatchObject({ hasActiveRun: true, activeRunIds: ['q1', 'q2', 'q3'] });
    hold.open();
    await client.event('chat', (each) => each.runId === 'q3' && each.state === 'final');
    const order = client.frames
      .filter((frame) => frame.event === 'chat' && frame.payload.state === 'final')
      .map((frame) => frame.payload.runId);
    expect(order).toEqual(['q1', 'q2', 'q3']);
    const { messages } = await client.request('chat.history', { sessionKey: 'main' });
    expect(messages.map(messageText)).toEqual([
      'slow one',
      'slow',
      'second',
      'You said: second',
      'third',
      'You said: third',
    ]);
  });

  test('refuses more than may wait, with a typed error, and disturbs nothing', async () => {
    const hold = gate();
    upstream.when(says('fill up'), events(role(), text('x'), hold.promise, finish('stop'), DONE));
    const client = await alice();
    const send = (id: number) =>
      client.ask('chat.send', { sessionKey: 'main', message: 'fill up', idempotencyKey: `f${id}` });
    const replies = await Promise.all(Array.from({ length: 22 }, (_, id) => send(id)));
    const refused = replies.filter((reply) => !reply.ok);
    expect(refused).toHaveLength(1);
    expect(refused[0].error).toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
      details: { code: 'QUEUE_FULL' },
    });
    hold.open();
    await client.request('chat.abort', { sessionKey: 'main' });
  });

  test('drops a queued message that is stopped before its turn', async () => {
    const hold = gate();
    upstream.when(says('hold on'), events(role(), text('x'), hold.promise, finish('stop'), DONE));
    const client = await alice();
    await client.request('chat.send', {
      sessionKey: 'main',
      message: 'hold on',
      idempotencyKey: 'h1',
    });
    await client.request('chat.send', {
      sessionKey: 'main',
      message: 'never asked',
      idempotencyKey: 'h2',
    });
    await client.request('chat.abort', { sessionKey: 'main', runId: 'h2' });
    const end = await client.event('chat', (each) => each.runId === 'h2');
    expect(end.state).toBe('aborted');
    hold.open();
    await client.event('chat', (each) => each.runId === 'h1' && each.state === 'final');
    expect(upstream.requests.some((each) => each.bodyText.includes('never asked'))).toBe(false);
  });
});

describe('tabs and reloads', () => {
  test('every tab of a user streams; a tab that comes late continues without gap or double', async () => {
    const first = gate();
    const second = gate();
    upstream.when(
      says('two tabs'),
      events(
        role(),
        text('one '),
        first.promise,
        text('two '),
        second.promise,
        text('three'),
        finish('stop'),
        DONE,
      ),
    );
    const user = `tabs-${crypto.randomUUID()}`;
    const tab = await connectClient({ port: gateway.port, user });
    await tab.request('chat.send', {
      sessionKey: 'main',
      message: 'two tabs',
      idempotencyKey: 'tabs',
    });
    await tab.event('chat', (each) => each.state === 'delta');

    const late = await connectClient({ port: gateway.port, user });
    const history = await late.request('chat.history', { sessionKey: 'main' });
    expect(history.inFlightRun).toMatchObject({ runId: 'tabs', text: 'one ' });
    expect(history.messages.map((each: Json) => each.role)).toEqual(['user']);
    first.open();
    await late.event('chat', (each) => each.deltaText === 'two ');
    second.open();
    await late.event('chat', (each) => each.state === 'final');
    await tab.event('chat', (each) => each.state === 'final');
    expect(history.inFlightRun.text + late.text('tabs')).toBe('one two three');
    expect(tab.text('tabs')).toBe('one two three');
  });

  test('a run outlives its socket', async () => {
    const hold = gate();
    upstream.when(
      says('goodbye'),
      events(role(), text('still '), hold.promise, text('here'), finish('stop'), DONE),
    );
    const user = `gone-${crypto.randomUUID()}`;
    const tab = await connectClient({ port: gateway.port, user });
    await tab.request('chat.send', {
      sessionKey: 'main',
      message: 'goodbye',
      idempotencyKey: 'gone',
    });
    await tab.event('chat', (each) => each.state === 'delta');
    await tab.close();
    const back = await connectClient({ port: gateway.port, user });
    hold.open();
    const end = await back.event('chat', (each) => each.runId === 'gone' && isTerminal(each.state));
    expect(messageText(end.message)).toBe('still here');
  });

  test('the session-key header names the main session', async () => {
    const client = await alice({ session: 'portal-session-7' });
    expect(client.hello.snapshot.sessionDefaults).toMatchObject({
      mainKey: 'main',
      mainSessionKey: 'portal-session-7',
      modelConfigured: true,
    });
    await client.say('main', 'into the main session');
    const { messages } = await client.request('chat.history', { sessionKey: 'portal-session-7' });
    expect(messages).toHaveLength(2);
  });
});

describe('attachments', () => {
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex').toString('base64');

  test('images reach the model, and history has them without their bytes', async () => {
    const client = await alice();
    const runId = crypto.randomUUID();
    await client.request('chat.send', {
      sessionKey: 'main',
      message: 'what is this image',
      idempotencyKey: runId,
      attachments: [{ type: 'image', mimeType: 'image/png', fileName: 'a.png', content: png }],
    });
    await client.event('chat', (each) => each.runId === runId && each.state === 'final');
    const call = upstream.requests.findLast((each) => each.bodyText.includes('what is this image'));
    expect(call?.bodyText).toContain(`data:image/png;base64,${png}`);
    const { messages } = await client.request('chat.history', { sessionKey: 'main' });
    const artifactId = `${messages[0]['__openclaw'].id}.0`;
    expect(messages[0].content).toEqual([
      { type: 'text', text: 'what is this image' },
      {
        type: 'image',
        mimeType: 'image/png',
        fileName: 'a.png',
        bytes: 16,
        omitted: true,
        artifactId,
      },
    ]);
  });

  test('images are downloaded one by one, by those who may read the conversation', async () => {
    const client = await alice();
    const images = [png, Buffer.from('another picture').toString('base64')];
    const runId = crypto.randomUUID();
    await client.request('chat.send', {
      sessionKey: 'pictures',
      message: 'two images',
      idempotencyKey: runId,
      attachments: images.map((content) => ({ mimeType: 'image/png', content })),
    });
    await client.event('chat', (each) => each.runId === runId && each.state === 'final');
    const { messages } = await client.request('chat.history', { sessionKey: 'pictures' });
    const ids = messages[0].content.flatMap(
      (block: { artifactId?: string }) => block.artifactId ?? [],
    );
    const get = (artifactId: string) =>
      client.ask('artifacts.download', { sessionKey: 'pictures', artifactId });
    expect(await Promise.all(ids.map(get))).toMatchObject(
      images.map((data, at) => ({
        ok: true,
        payload: {
          encoding: 'base64',
          data,
          artifact: { id: ids[at], title: 'image', mimeType: 'image/png', messageSeq: 1 },
        },
      })),
    );
    for (const wrong of [`${ids[0].slice(0, -1)}2`, messages[1]['__openclaw'].id, 'nothing.0']) {
      const { error } = await get(wrong);
      expect(error.details.code, wrong).toBe('ENTRY_NOT_FOUND');
    }
  });

  test.each([
    [
      'over the limit',
      { mimeType: 'image/png', content: 'A'.repeat(8_000_000) },
      'ATTACHMENT_TOO_LARGE',
    ],
    ['not base64', { mimeType: 'image/png', content: '!!!!????====....' }, 'ATTACHMENT_INVALID'],
    ['not text', { mimeType: 'image/png', content: 42 }, 'ATTACHMENT_INVALID'],
    ['of another kind', { mimeType: 'application/x-sh', content: png }, 'ATTACHMENT_INVALID'],
  ])('%s are refused, and nothing is stored', async (_, attachment, code) => {
    const client = await alice();
    const reply = await client.ask('chat.send', {
      sessionKey: 'main',
      message: 'look',
      idempotencyKey: 'bad-attachment',
      attachments: [attachment],
    });
    expect(reply.error).toMatchObject({ code: 'INVALID_REQUEST', details: { code } });
    expect(await client.request('sessions.describe', { key: 'main' })).toEqual({ session: null });
  });
});

describe('a model that reads text only', () => {
  const attachments = [
    { mimeType: 'image/png', content: Buffer.from('picture').toString('base64') },
  ];
  const send = { sessionKey: 'main', message: 'look', idempotencyKey: 'look', attachments };

  test('gets no image: the send is refused, names the model, and stores nothing', async () => {
    const client = await alice();
    await client.request('sessions.create', { key: 'main', model: 'mock/mock-2' });
    const { error } = await client.ask('chat.send', send);
    expect(error).toMatchObject({
      code: 'INVALID_REQUEST',
      details: { code: 'ATTACHMENT_INVALID', model: 'mock/mock-2' },
    });
    const { totalMessages } = await client.request('chat.history', { sessionKey: 'main' });
    expect(totalMessages).toBe(0);
    await client.request('sessions.patch', { key: 'main', model: 'mock/mock-1' });
    expect(await client.request('chat.send', send)).toMatchObject({ status: 'started' });
    await client.event('chat', (each) => each.state === 'final');
    // The same send once more is answered as before, whatever is chosen by then.
    await client.request('sessions.patch', { key: 'main', model: 'mock/mock-2' });
    expect(await client.request('chat.send', send)).toMatchObject({ status: 'ok' });
  });
});

test('many users stream at once, and each gets exactly their own', async () => {
  upstream.when(says('number '), tokens(40, { everyMs: 2 }));
  const clients = await Promise.all(Array.from({ length: 25 }, () => alice()));
  const finals = await Promise.all(
    clients.map((client, index) => client.say('main', `number ${index}`, `n${index}`)),
  );
  finals.forEach((final, index) => {
    expect(final.runId).toBe(`n${index}`);
    expect(clients[index]?.text(`n${index}`)).toBe(messageText(final.message));
    const runs = new Set(
      clients[index]?.frames
        .filter((frame) => frame.event === 'chat')
        .map((frame) => frame.payload.runId),
    );
    expect([...runs]).toEqual([`n${index}`]);
  });
});
