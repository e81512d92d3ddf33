/** Frames that come one right behind the other, for one session: each finds it as those before it left it. */

import { describe, expect, test } from 'vitest';
import { isTerminal } from '../support/client.ts';
import { historyOf, sessionsScene } from '../support/sessions.ts';
import { DONE, events, finish, gate, role, says, text } from '../support/upstream/openai.ts';

const scene = sessionsScene();
const { someone } = scene;
const KEY = 'agent:main:main';

const chat = (message: string, idempotencyKey: string) => ({
  sessionKey: KEY,
  message,
  idempotencyKey,
});

/** Somebody whose answer does not end before it is stopped. */
async function inMidAnswer() {
  const never = gate();
  scene.upstream.when(
    says('hold'),
    events(role(), text('so'), never.promise, finish('stop'), DONE),
  );
  const client = await someone();
  await client.request('chat.send', chat('hold', 'first'));
  await client.event('chat', (each) => each.runId === 'first' && each.state === 'delta');
  const endOf = (runId: string) =>
    client.event('chat', (each) => each.runId === runId && isTerminal(each.state));
  return { client, endOf };
}

describe('a message behind', () => {
  test.each([
    ['one reset', ['sessions.reset']],
    ['two resets', ['sessions.reset', 'sessions.reset']],
    ['a reset and a deletion', ['sessions.reset', 'sessions.delete']],
    ['two deletions', ['sessions.delete', 'sessions.delete']],
  ])('%s stays, and is answered', async (_name, methods) => {
    const { client, endOf } = await inMidAnswer();
    const before = methods.map((method) => client.ask(method, { key: KEY }));
    expect((await client.ask('chat.send', chat('new', 'second'))).ok).toBe(true);
    await endOf('second');
    await Promise.all(before);
    expect(await historyOf(client, KEY)).toEqual(['new', 'You said: new']);
  });

  test('and before a reset is gone with what was there before', async () => {
    const { client } = await inMidAnswer();
    const sent = ['sessions.reset', 'chat.send', 'sessions.reset'].map((method) =>
      client.ask(method, method === 'chat.send' ? chat('between', 'between') : { key: KEY }),
    );
    expect((await Promise.all(sent)).every((each) => each.ok)).toBe(true);
    expect(await historyOf(client, KEY)).toEqual([]);
  });
});

test('a deletion that means the session before a reset leaves the answer of the next one alone', async () => {
  const { client, endOf } = await inMidAnswer();
  const goOn = gate();
  scene.upstream.when(
    says('on and on'),
    events(role(), text('a'), goOn.promise, text('b'), finish('stop'), DONE),
  );
  const { session } = await client.request('sessions.describe', { key: KEY });
  const reset = client.ask('sessions.reset', { key: KEY });
  const sent = client.ask('chat.send', chat('on and on', 'second'));
  const deleted = client.ask('sessions.delete', {
    key: KEY,
    expectedSessionId: session.sessionId,
  });
  expect([(await reset).ok, (await sent).ok]).toEqual([true, true]);
  expect((await deleted).error.details.code).toBe('STALE_SESSION');
  goOn.open();
  expect((await endOf('second')).state).toBe('final');
  expect(await historyOf(client, KEY)).toEqual(['on and on', 'ab']);
});

describe('behind a deletion', () => {
  test('a session that is made stays, with its label', async () => {
    const { client } = await inMidAnswer();
    const gone = client.ask('sessions.delete', { key: KEY });
    const made = await client.request('sessions.create', { key: KEY, label: 'Plans' });
    await gone;
    const { session } = await client.request('sessions.describe', { key: KEY });
    expect(session).toMatchObject({ label: 'Plans', sessionId: made.sessionId });
  });

  test('one that is made with its first message has both', async () => {
    const { client, endOf } = await inMidAnswer();
    const gone = client.ask('sessions.delete', { key: KEY });
    const first = { label: 'Plans', message: 'begin', idempotencyKey: 'b' };
    const made = await client.request('sessions.create', { key: KEY, ...first });
    await gone;
    await endOf('b');
    const { session } = await client.request('sessions.describe', { key: KEY });
    expect(made.runStarted).toBe(true);
    expect(session).toMatchObject({ label: 'Plans', sessionId: made.sessionId });
  });

  test('a change of what is gone is refused', async () => {
    const { client } = await inMidAnswer();
    const gone = client.ask('sessions.delete', { key: KEY });
    expect((await client.ask('sessions.patch', { key: KEY, label: 'kept' })).ok).toBe(false);
    expect((await gone).ok).toBe(true);
  });
});

describe('a stop right behind a message', () => {
  test('that waits for a reset means it', async () => {
    const { client, endOf } = await inMidAnswer();
    const reset = client.ask('sessions.reset', { key: KEY });
    const sent = client.ask('chat.send', chat('new', 'second'));
    const { runIds } = await client.request('chat.abort', { sessionKey: KEY });
    expect(runIds).toContain('second');
    expect([(await reset).ok, (await sent).ok]).toEqual([true, true]);
    expect((await endOf('second')).state).toBe('aborted');
  });

  test('that interrupts means it', async () => {
    const { client, endOf } = await inMidAnswer();
    const interruption = { ...chat('new', 'second'), queueMode: 'interrupt' };
    const sent = client.ask('chat.send', interruption);
    await client.request('chat.abort', { sessionKey: KEY });
    expect((await sent).ok).toBe(true);
    expect((await endOf('second')).state).toBe('aborted');
  });

  test('does not mean the one behind it', async () => {
    const { client, endOf } = await inMidAnswer();
    const sent = client.ask('chat.send', chat('two', 'second'));
    const stopped = client.ask('chat.abort', { sessionKey: KEY });
    const later = client.ask('chat.send', chat('three', 'third'));
    const replies = await Promise.all([sent, stopped, later]);
    expect(replies.map((each) => each.ok)).toEqual([true, true, true]);
    expect((await endOf('second')).state).toBe('aborted');
    expect((await endOf('third')).state).toBe('final');
  });
});

test('an interruption that is sent twice at once does not interrupt itself', async () => {
  const { client, endOf } = await inMidAnswer();
  const hold = gate();
  scene.upstream.when(
    says('slowly'),
    events(role(), text('so'), hold.promise, finish('stop'), DONE),
  );
  const send = { ...chat('slowly', 'same'), queueMode: 'interrupt' };
  const both = await Promise.all([client.ask('chat.send', send), client.ask('chat.send', send)]);
  expect(both.map((each) => each.payload.status)).toEqual(['started', 'in_flight']);
  hold.open();
  expect((await endOf('same')).state).toBe('final');
  expect((await endOf('first')).state).toBe('aborted');
});
