/** `oc-gateway models`: for the operator who wonders why nobody answers. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runCommand } from '../../support/cli.ts';
import { testConfig } from '../../support/config.ts';
import { temporaryFolder } from '../../support/gateway.ts';
import { pause } from '../../support/upstream/http.ts';
import {
  answer,
  events,
  failure,
  model,
  startOpenAiUpstream,
} from '../../support/upstream/openai.ts';

async function configured(config: object): Promise<{ OPENCLAW_STATE_DIR: string }> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'openclaw.json'), JSON.stringify(config));
  return { OPENCLAW_STATE_DIR: folder };
}

test('lists every model, its API and who uses it', async () => {
  const env = await configured(
    testConfig({
      upstream: 'http://127.0.0.1:1',
      defaults: { model: { primary: 'mock/mock-1', fallbacks: ['mock/unlisted'] } },
    }),
  );
  const { code, stdout } = await runCommand(['models'], { env });
  expect(code).toBe(0);
  expect(stdout.split('\n').map((line) => line.split(/\s+/))).toEqual([
    ['mock/mock-1', 'openai-completions', 'main'],
    ['mock/mock-2', 'openai-completions', '-'],
    ['mock/unlisted', 'openai-completions', 'main:2'],
    [''],
  ]);
});

test('--probe calls each for a few tokens, and says who answers and why another does not', async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  upstream.when(
    model('mock-2'),
    failure(401, 'invalid_api_key', { message: 'No such\nkey: sk-test-secret' }),
  );
  const env = await configured(testConfig({ upstream: upstream.url }));
  const { code, stdout } = await runCommand(['models', '--probe'], { env });
  expect(code).toBe(1);
  const [first, second] = stdout.split('\n');
  expect(first).toMatch(/^mock\/mock-1 .* ok, \d+ ms$/);
  expect(second).toMatch(
    /^mock\/mock-2 .* failed after \d+ ms \(auth, HTTP 401\): \w.*\. It said: "401 No such key: \*\*\*"$/,
  );
  expect(stdout).not.toContain('sk-test-secret');
  expect(upstream.requests.map((each) => each.body)).toEqual([
    expect.objectContaining({ max_tokens: 16 }),
    expect.objectContaining({ max_tokens: 16 }),
  ]);
});

test('--probe gives an endpoint no more calls at once than it may have', async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  let calls = 0;
  let most = 0;
  upstream.when(
    () => true,
    ({ closed }) => {
      calls += 1;
      most = Math.max(most, calls);
      void closed.then(() => {
        calls -= 1;
      });
      // Long enough for the other call to come, if it were let.
      return events(pause(100), ...answer('ok').body);
    },
  );
  const provider = { maxConcurrentCalls: 1 };
  const env = await configured(testConfig({ upstream: upstream.url, provider }));
  expect(await runCommand(['models', '--probe'], { env })).toMatchObject({ code: 0 });
  expect(upstream.requests).toHaveLength(2);
  expect(most).toBe(1);
});

test.each(['日本', 'a\nb', 'a\u0000'])(
  'refuses a header that HTTP cannot carry, without showing it: %j',
  async (value) => {
    const provider = { headers: { 'X-Team': `secret-${value}` } };
    const env = await configured(testConfig({ upstream: 'http://127.0.0.1:1', provider }));
    const { code, stderr } = await runCommand(['models'], { env });
    expect(code).toBe(1);
    expect(stderr).toContain('models.providers.mock.headers.X-Team');
    expect(stderr).not.toContain('secret-');
  },
);

test('says so when there is no model at all', async () => {
  const env = await configured({ gateway: { trustedProxies: ['10.0.0.1'] } });
  const { code, stderr } = await runCommand(['models'], { env });
  expect(code).toBe(1);
  expect(stderr).toContain('agents.defaults.model');
});
