/**
 * The disk fails under a gateway that serves: its calls for the log, or for the file, return errors. What was
 * acknowledged stays, what cannot be saved is refused as worth another try, and when the disk works again so does the
 * gateway, without a restart. An auditor reads the file after a last `kill -9`.
 */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Client, connectClient, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type GatewayProcess, startGateway } from '../support/gateway.ts';
import { canTrace, failing } from '../support/strace.ts';
import { startOpenAiUpstream } from '../support/upstream/openai.ts';
import { audit, type Promised } from './auditor.ts';

const SESSION = 'agent:main:main';

const message = (runId: string) => ({
  sessionKey: SESSION,
  message: runId,
  idempotencyKey: runId,
});

interface Scene {
  gateway: GatewayProcess;
  client: Client;
  file: string;
  /** Sends, and waits for the answer; the auditor will look for both. */
  say(runId: string, text?: string): Promise<void>;
  /** Sends what is to be refused. */
  refused(runId: string): Promise<void>;
  ready(): Promise<number>;
  /** After `kill -9`: what of all that was acknowledged is not in the file. */
  losses(): Promise<string[]>;
}

async function scene(): Promise<Scene> {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const gateway = await startGateway({ config: testConfig({ upstream: upstream.url }) });
  const client = await connectClient({ port: gateway.port });
  const file = join(gateway.stateDir, 'oc-gateway.sqlite');
  const promises: Promised[] = [];
  return {
    gateway,
    client,
    file,
    async say(runId, text = runId) {
      const end = await client.say(SESSION, text, runId);
      const answer = end.message.content.map((block: Json) => block.text).join('');
      promises.push({ user: 'alice', sessionKey: SESSION, runId, text, answer });
    },
    async refused(runId) {
      expect(await client.ask('chat.send', message(runId))).toMatchObject({
        ok: false,
        error: { code: 'UNAVAILABLE', retryable: true, details: { code: 'STORE_UNAVAILABLE' } },
      });
    },
    ready: async () => (await fetch(`http://127.0.0.1:${gateway.port}/readyz`)).status,
    async losses() {
      gateway.signal('SIGKILL');
      await gateway.exited;
      return audit(file, promises);
    },
  };
}

describe.runIf(canTrace())('while the disk', () => {
  test.each([
    ['cannot sync the log', 'fsync,fdatasync', 'EIO', 'its disk fails'],
    ['cannot write the log', 'pwrite64', 'EIO', 'its disk fails'],
    ['has no room for the log', 'pwrite64', 'ENOSPC', 'its disk is full'],
  ] as const)(
    '%s, sends are refused, reading goes on, nothing is lost',
    async (_, calls, error, reason) => {
      const { gateway, client, file, say, refused, ready, losses } = await scene();
      await say('before');
      const fault = await failing(gateway.pid, [`${file}-wal`], calls, error);
      // Refused, or not answered before it is safe.
      const first = client.ask('chat.send', message('during'));
      const failure = await gateway.logged('store_failing');
      expect(JSON.stringify(failure)).toContain(reason);
      await refused('during-too');
      expect(await ready()).toBe(503);
      const { messages } = await client.request('chat.history', { sessionKey: SESSION });
      expect(messages.slice(0, 2)).toMatchObject([{ role: 'user' }, { role: 'assistant' }]);
      expect((await fault.stop()).join('\n')).toContain('(INJECTED)');

      await gateway.logged('store_recovered');
      expect(await ready()).toBe(200);
      const { ok, error: refusal } = await first;
      expect(ok || refusal.details.code === 'STORE_UNAVAILABLE').toBe(true);
      await say('during');
      await say('during-too');
      expect(await losses()).toEqual([]);
    },
  );

  test.each([
    ['write', 'pwrite64', 'ENOSPC'],
    ['sync', 'fsync,fdatasync', 'EIO'],
  ] as const)(
    'cannot %s the file itself, the log holds what is sent until it can',
    async (_, calls, error) => {
      const { gateway, file, say, ready, losses } = await scene();
      const fault = await failing(gateway.pid, [file], calls, error);
      const before = statSync(file).size;
      // More than the log may hold before it is moved into the file.
      for (let n = 0; n < 5; n += 1) await say(`large-${n}`, `${n}`.repeat(600_000));
      await fault.seen('(INJECTED)');
      expect(await ready()).toBe(200);
      await say('small');
      await fault.stop();

      await say('after');
      await expect
        .poll(() => statSync(file).size - before, { timeout: 30_000 })
        .toBeGreaterThan(5 * 600_000);
      expect(await losses()).toEqual([]);
    },
  );

  test('cannot be read, asking is refused as worth another try, and answered when it can', async () => {
    const { gateway, client, file, say, losses } = await scene();
    // Far more than stays in memory.
    for (let n = 0; n < 8; n += 1) await say(`large-${n}`, `${n}`.repeat(600_000));
    const ask = () => client.ask('chat.history', { sessionKey: SESSION, limit: 50 });
    const fault = await failing(gateway.pid, [file, `${file}-wal`], 'pread64', 'EIO');
    expect(await ask()).toMatchObject({
      ok: false,
      error: { code: 'UNAVAILABLE', retryable: true, details: { code: 'STORE_UNAVAILABLE' } },
    });
    await fault.stop();
    expect(await ask()).toMatchObject({ ok: true });
    await say('after');
    expect(await losses()).toEqual([]);
  });
});
