/** A disk that takes half a second for each sync: what is stored and not told yet. */

import { expect, onTestFinished, test } from 'vitest';
import { connectClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { startGateway } from '../support/gateway.ts';
import { canTrace, trace } from '../support/strace.ts';
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

const KEY = 'agent:main:main';

test.runIf(canTrace())('an answer is in the history or under way, and never both', async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const gateway = await startGateway({ config: testConfig({ upstream: upstream.url }) });
  const client = await connectClient({ port: gateway.port });
  const hold = gate();
  upstream.when(
    says('hold'),
    events(role(), text('so'), hold.promise, text(' far'), finish('stop'), DONE),
  );
  await client.request('chat.send', { sessionKey: KEY, message: 'hold', idempotencyKey: 'r' });
  await client.event('chat', (each) => each.runId === 'r' && each.state === 'delta');
  await trace(gateway.pid, ['-e', 'trace=fdatasync', '-e', 'inject=fdatasync:delay_enter=500000']);
  hold.open();
  for (;;) {
    const page = await client.request('chat.history', { sessionKey: KEY });
    const isStored = page.messages.length === 2;
    expect(page.inFlightRun?.runId).toBe(isStored ? undefined : 'r');
    if (isStored) break;
  }
  expect(client.chatEvents('r').some((each) => each.state === 'final')).toBe(false);
});
