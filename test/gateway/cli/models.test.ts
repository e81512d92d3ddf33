/** `oc-gateway models`: for the operator who wonders why nobody answers. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runCommand } from '../../support/cli.ts';
import { testConfig } from '../../support/config.ts';
import { temporaryFolder } from '../../support/gateway.ts';
import { failure, model, startOpenAiUpstream } from '../../support/upstream/openai.ts';

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

test('--probe calls each with one token, and says who answers and why another does not', async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  upstream.when(model('mock-2'), failure(401, 'invalid_api_key'));
  const env = await configured(testConfig({ upstream: upstream.url }));
  const { code, stdout } = await runCommand(['models', '--probe'], { env });
  expect(code).toBe(1);
  const [first, second] = stdout.split('\n');
  expect(first).toMatch(/^mock\/mock-1 .* ok, \d+ ms$/);
  expect(second).toMatch(/^mock\/mock-2 .* failed after \d+ ms \(auth, HTTP 401\): \w.*\.$/);
  expect(stdout).not.toContain('sk-test-secret');
  expect(upstream.requests.map((each) => each.body)).toEqual([
    expect.objectContaining({ max_tokens: 1 }),
    expect.objectContaining({ max_tokens: 1 }),
  ]);
});

test('says so when there is no model at all', async () => {
  const env = await configured({ gateway: { trustedProxies: ['10.0.0.1'] } });
  const { code, stderr } = await runCommand(['models'], { env });
  expect(code).toBe(1);
  expect(stderr).toContain('agents.defaults.model');
});
