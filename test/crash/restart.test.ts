/** What was acknowledged is there after `kill -9`, and nothing is asked of a model twice. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { connectClient, isTerminal, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { startGateway, temporaryFolder } from '../support/gateway.ts';
import {
  DONE,
  events,
  finish,
  gate,
  role,
  says,
  startOpenAiUpstream,
  text,
} from '../support/upstream/openai.ts';

const messageText = (message: Json) => message.content.map((block: Json) => block.text).join('');

async function scene() {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const stateDir = await temporaryFolder();
  const config = testConfig({
    upstream: upstream.url,
    gateway: { streaming: { checkpointMs: 10 } },
    logging: { level: 'debug' },
  });
  const start = () => startGateway({ stateDir, config });
  return { upstream, start };
}

describe('after kill -9', () => {
  test('every acknowledged message is there, in order', async () => {
    const { upstream, start } = await scene();
    const hold = gate();
    upstream.when(says('m'), { before: hold.promise, body: [] });
    const first = await start();
    const client = await connectClient({ port: first.port, user: 'alice' });
    const acknowledged: string[] = [];
    const sends = Array.from({ length: 15 }, async (_, index) => {
      const message = `m${index}`;
      await client.request('chat.send', { sessionKey: 'main', message, idempotencyKey: message });
      acknowledged.push(message);
      // At an instant of the machine's choosing: some sends are acknowledged, some may not be.
      if (acknowledged.length === 7) first.signal('SIGKILL');
    });
    await Promise.allSettled(sends);
    await first.exited;

    const second = await start();
    const back = await connectClient({ port: second.port, user: 'alice' });
    const { messages } = await back.request('chat.history', { sessionKey: 'main' });
    const said = messages.filter((each: Json) => each.role === 'user').map(messageText);
    expect(said).toEqual(expect.arrayContaining(acknowledged));
    expect(said).toEqual(
      said.toSorted((a: string, b: string) => Number(a.slice(1)) - Number(b.slice(1))),
    );
    hold.open();
  });

  test('a streaming answer keeps what was checkpointed and says interrupted; queued messages are answered', async () => {
    const { upstream, start } = await scene();
    const never = gate();
    upstream.when(
      says('long story'),
      events(role(), text('Once upon '), text('a time'), never.promise),
    );
    upstream.when(says('afterwards'), events(role(), text('later'), finish('stop'), DONE));
    const first = await start();
    const client = await connectClient({ port: first.port, user: 'alice' });
    await client.request('chat.send', {
      sessionKey: 'main',
      message: 'long story',
      idempotencyKey: 'r1',
    });
    await client.request('chat.send', {
      sessionKey: 'main',
      message: 'afterwards',
      idempotencyKey: 'r2',
    });
    await client.event('chat', () => client.text('r1') === 'Once upon a time');
    await first.checkpointed('r1', 'Once upon a time'.length);
    first.signal('SIGKILL');
    await first.exited;

    const second = await start();
    const recovered = await second.logged('recovered');
    expect(recovered).toMatchObject({ interrupted: 1, queued: 1 });
    const back = await connectClient({ port: second.port, user: 'alice' });
    // The queued run may have ended before this socket was there: the history tells either way.
    const repeat = await back.request('chat.send', {
      sessionKey: 'main',
      message: 'afterwards',
      idempotencyKey: 'r2',
    });
    if (repeat.status === 'in_flight') {
      await back.event('chat', (each) => each.runId === 'r2' && isTerminal(each.state));
    }
    const { messages } = await back.request('chat.history', { sessionKey: 'main' });
    expect(messages.map(messageText)).toEqual([
      'long story',
      'Once upon a time',
      'afterwards',
      'later',
    ]);
    expect(messages[1].__openclaw.state).toBe('interrupted');

    const again = await back.request('chat.send', {
      sessionKey: 'main',
      message: 'long story',
      idempotencyKey: 'r1',
    });
    expect(again).toMatchObject({ runId: 'r1', status: 'error' });
    const asked = upstream.requests.filter((each) => each.bodyText.includes('long story"}]'));
    expect(asked).toHaveLength(1);
  });
});
