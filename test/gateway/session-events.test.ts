/** Who hears of a session, and of its messages. */

import { describe, expect, test } from 'vitest';
import { type Client } from '../support/client.ts';
import { messageText, sessionsScene } from '../support/sessions.ts';

const scene = sessionsScene();
const { someone } = scene;

describe('subscriptions', () => {
  const changes = (client: Client) =>
    client.frames.filter((frame) => frame.event === 'sessions.changed').map((each) => each.payload);

  test('sessions.changed tells of every change, with the row as it is then', async () => {
    const user = `watch-${crypto.randomUUID()}`;
    const [watching, acting, idle] = await Promise.all([
      someone({ user }),
      someone({ user }),
      someone({ user }),
    ]);
    const list = await watching.request('sessions.subscribe', { limit: 10 });
    expect(list).toMatchObject({ subscribed: true, list: { count: 0, sessions: [] } });
    await acting.say('main', 'hello');
    await acting.request('sessions.patch', { key: 'main', label: 'Named' });
    await acting.request('sessions.reset', { key: 'main' });
    await acting.request('sessions.delete', { key: 'main' });
    await watching.event('sessions.changed', (each) => each.reason === 'delete');
    const told = changes(watching);
    expect(told.map((each) => each.reason)).toEqual([
      'create',
      'run-start',
      'run-end',
      'patch',
      'reset',
      'delete',
    ]);
    expect(told[1].session.hasActiveRun).toBe(true);
    expect(told[2].session).toMatchObject({ hasActiveRun: false, activeRunIds: [] });
    expect(told[3].session.label).toBe('Named');
    expect(told[5].session).toBeNull();
    expect(changes(idle)).toEqual([]);
  });

  test('are bounded: a connection watches the messages of a thousand sessions at most', async () => {
    const client = await someone();
    const watch = (n: number) => client.ask('sessions.messages.subscribe', { key: `k${n}` });
    const replies = await Promise.all(Array.from({ length: 1_000 }, (_, n) => watch(n)));
    expect(replies.every((each) => each.ok)).toBe(true);
    expect((await watch(1_000)).error.code).toBe('INVALID_REQUEST');
    expect((await watch(7)).ok).toBe(true);
    await client.request('sessions.messages.unsubscribe', { key: 'k7' });
    expect((await watch(1_000)).ok).toBe(true);
  });

  test('session.message tells of the messages of one session, until unsubscribed', async () => {
    const client = await someone();
    await client.request('sessions.messages.subscribe', { key: 'main' });
    await client.say('main', 'heard');
    await client.say('side', 'not heard');
    const unsubscribed = await client.request('sessions.messages.unsubscribe', { key: 'main' });
    expect(unsubscribed).toEqual({ subscribed: false, key: 'agent:main:main' });
    await client.say('main', 'not heard either');
    const told = client.frames.filter((frame) => frame.event === 'session.message');
    expect(told.map((frame) => messageText(frame.payload.message))).toEqual([
      'heard',
      'You said: heard',
    ]);
    const { messages } = await client.request('chat.history', { sessionKey: 'main', limit: 4 });
    expect(told.map((frame) => frame.payload.message)).toEqual(messages.slice(0, 2));
  });
});
