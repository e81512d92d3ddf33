/** `oc-gateway users …`: a person's data. */

import { expect, onTestFinished, test } from 'vitest';
import { runCommand } from '../../support/cli.ts';
import { connectClient } from '../../support/client.ts';
import { testConfig } from '../../support/config.ts';
import { startGateway } from '../../support/gateway.ts';
import { startOpenAiUpstream } from '../../support/upstream/openai.ts';

const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

test('users export prints all of a user and nothing of others, while the gateway serves', async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const gateway = await startGateway({ config: testConfig({ upstream: upstream.url }) });
  const alice = await connectClient({ port: gateway.port, user: 'alice' });
  const bob = await connectClient({ port: gateway.port, user: 'bob' });
  await alice.request('chat.send', {
    sessionKey: 'main',
    message: 'a picture',
    idempotencyKey: 'r1',
    attachments: [{ type: 'image', mimeType: 'image/png', fileName: 'dot.png', content: PNG }],
  });
  await alice.event('chat', (each) => each.runId === 'r1' && each.state === 'final');
  await alice.say('agent:main:second', 'another conversation');
  await bob.say('main', 'not for alice');

  const env = { OPENCLAW_STATE_DIR: gateway.stateDir };
  const exported = await runCommand(['users', 'export', 'alice'], { env });
  expect(exported).toMatchObject({ code: 0, stderr: '' });
  const lines = exported.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ type }) => type)).toEqual([
    'session',
    'message',
    'attachment',
    'message',
    'session',
    'message',
    'message',
  ]);
  expect(lines[2]).toMatchObject({ fileName: 'dot.png', base64: PNG, seq: 1 });
  expect(exported.stdout).toContain('You said: another conversation');
  expect(exported.stdout).not.toContain('not for alice');

  const nobody = await runCommand(['users', 'export', 'Alice'], { env });
  expect(nobody).toMatchObject({ code: 1, stdout: '' });
  expect(nobody.stderr).toContain('case-sensitive');
});
