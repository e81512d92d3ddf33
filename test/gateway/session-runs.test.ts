/** What is asked of a session while it answers: to stop, to be reset, to be deleted. */

import { describe, expect, test } from 'vitest';
import { isTerminal } from '../support/client.ts';
import { describeSession, historyOf, sessionsScene } from '../support/sessions.ts';
import { DONE, events, finish, gate, role, says, text } from '../support/upstream/openai.ts';

const scene = sessionsScene();
const { someone } = scene;

describe('stopping without waiting for the acknowledgement', () => {
  test.each([
    ['chat.abort', { sessionKey: 'main' }],
    ['chat.abort', { sessionKey: 'main', runId: 'eager' }],
    ['sessions.abort', { key: 'main' }],
  ])('%s %j right behind a send stops that send', async (method, params) => {
    const never = gate();
    scene.upstream.when(says('eager'), events(role(), text('x'), never.promise));
    const client = await someone();
    const send = { sessionKey: 'main', message: 'eager', idempotencyKey: 'eager' };
    const [sent, stopped] = await Promise.all([
      client.request('chat.send', send),
      client.request(method, params),
    ]);
    expect(sent.status).toBe('started');
    expect(stopped.runIds).toEqual(['eager']);
    const end = await client.event('chat', (each) => isTerminal(each.state));
    expect(end).toMatchObject({ runId: 'eager', state: 'aborted' });
    expect((await describeSession(client, 'main')).hasActiveRun).toBe(false);
  });

  test('sessions.abort finds a run by its id alone', async () => {
    const never = gate();
    scene.upstream.when(says('by id'), events(role(), text('x'), never.promise));
    const client = await someone();
    const send = { sessionKey: 'side', message: 'by id', idempotencyKey: 'by-id' };
    await client.request('chat.send', send);
    expect(await client.request('sessions.abort', { runId: 'by-id' })).toEqual({
      ok: true,
      abortedRunId: 'by-id',
      runIds: ['by-id'],
      status: 'aborted',
    });
    expect(await client.request('sessions.abort', { runId: 'by-id' })).toMatchObject({
      abortedRunId: null,
      status: 'no-active-run',
    });
  });
});

describe('what is sent behind a reset, or a deletion, in the same instant', () => {
  test.each(['sessions.reset', 'sessions.delete'])(
    '%s: lands in the new conversation',
    async (method) => {
      const client = await someone();
      const hold = gate();
      const marker = crypto.randomUUID();
      scene.upstream.when(
        says(marker),
        events(role(), text('never ends'), hold.promise, finish('stop'), DONE),
      );
      const key = 'agent:main:main';
      await client.request('chat.send', {
        sessionKey: key,
        message: marker,
        idempotencyKey: 'old',
      });
      await client.event('chat', (each) => each.runId === 'old' && each.state === 'delta');
      const frames = await Promise.all([
        client.ask('chat.send', { sessionKey: key, message: 'before', idempotencyKey: 'before' }),
        client.ask(method, { key }),
        client.ask('chat.send', { sessionKey: key, message: 'behind', idempotencyKey: 'behind' }),
        client.ask('chat.send', { sessionKey: key, message: 'last', idempotencyKey: 'last' }),
      ]);
      expect(frames.map((frame) => frame.ok)).toEqual([true, true, true, true]);
      const end = async (runId: string) =>
        (await client.event('chat', (each) => each.runId === runId && isTerminal(each.state)))
          .state;
      expect(await Promise.all(['old', 'before', 'behind', 'last'].map(end))).toEqual([
        'aborted',
        'aborted',
        'final',
        'final',
      ]);
      const said = await historyOf(client, key);
      expect(said.filter((line) => !line.startsWith('You said'))).toEqual(['behind', 'last']);
      hold.open();
    },
  );
});
