/** `oc-gateway db …`: what operators do to the store's file, beside a gateway that serves it or not. */

import { readdirSync } from 'node:fs';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { runCommand } from '../../support/cli.ts';
import { connectClient, type Json } from '../../support/client.ts';
import { testConfig } from '../../support/config.ts';
import { startGateway, temporaryFolder } from '../../support/gateway.ts';
import { startOpenAiUpstream, type Upstream } from '../../support/upstream/openai.ts';

let upstream: Upstream;
beforeAll(async () => {
  upstream = await startOpenAiUpstream();
});
afterAll(() => upstream.close());

const db = (stateDir: string, ...args: string[]) =>
  runCommand(['db', ...args], { env: { OPENCLAW_STATE_DIR: stateDir } });

async function stopped(gateway: Awaited<ReturnType<typeof startGateway>>): Promise<void> {
  gateway.signal('SIGTERM');
  expect(await gateway.exited).toMatchObject({ code: 0 });
}

async function served(stateDir: string) {
  const gateway = await startGateway({ config: testConfig({ upstream: upstream.url }), stateDir });
  return { gateway, client: await connectClient({ port: gateway.port }) };
}

const spoken = (page: Json): string[] =>
  page.messages
    .filter(({ role }: Json) => role === 'user')
    .map(({ content }: Json) => {
      return typeof content === 'string' ? content : content[0].text;
    });

describe('db backup and db restore', () => {
  test('a copy made while the store is served holds what was acknowledged until then, and can take its place', async () => {
    const stateDir = await temporaryFolder();
    const copy = join(stateDir, 'copy.sqlite');
    const first = await served(stateDir);
    await first.client.say('main', 'before the backup');
    const made = await db(stateDir, 'backup', copy);
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(made.stdout).toMatch(/^ok: 1 users, 1 sessions, 2 messages, /);
    expect((await stat(copy)).mode & 0o777).toBe(0o600);
    await first.client.say('main', 'after the backup');

    const tooEarly = await db(stateDir, 'restore', copy);
    expect(tooEarly.code).toBe(1);
    expect(tooEarly.stderr).toContain('in use by another gateway');
    expect(await db(stateDir, 'check')).toMatchObject({ code: 0 });
    await stopped(first.gateway);

    const restored = await db(stateDir, 'restore', copy);
    expect(restored).toMatchObject({ code: 0, stderr: '' });
    expect(restored.stdout).toContain('.replaced-');
    const second = await served(stateDir);
    const page = await second.client.request('chat.history', { sessionKey: 'main' });
    expect(spoken(page)).toEqual(['before the backup']);
  });

  test('never overwrites: a backup onto a file that exists is refused', async () => {
    const stateDir = await temporaryFolder();
    const { client } = await served(stateDir);
    await client.say('main', 'hello');
    const taken = join(stateDir, 'taken');
    await writeFile(taken, 'mine');
    const refused = await db(stateDir, 'backup', taken);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toBe(
      `oc-gateway: ${taken}: The backup was not made: this file exists already. Name another one, or move this one away.\n`,
    );
    const nowhere = join(stateDir, 'nowhere', 'copy.sqlite');
    const lost = await db(stateDir, 'backup', nowhere);
    expect(lost.code).toBe(1);
    expect(lost.stderr).toContain(`oc-gateway: ${nowhere}: The backup could not be written`);
    expect(lost.stderr).toContain('Name a file in a folder that is there');
    expect(await readFile(taken, 'utf8')).toBe('mine');
    expect(readdirSync(stateDir).filter((name) => name.includes('unfinished'))).toEqual([]);
  });

  test('a damaged or foreign backup is refused, and the store stays as it was', async () => {
    const stateDir = await temporaryFolder();
    const { gateway, client } = await served(stateDir);
    await client.say('main', 'still here');
    await stopped(gateway);
    const junk = join(stateDir, 'junk');
    await writeFile(junk, 'no database at all'.repeat(500));
    const missing = join(stateDir, 'missing');
    for (const [from, why] of [
      [junk, 'No backup can be read from this file (SQLITE_NOTADB).'],
      [stateDir, 'This is no file.'],
      [missing, 'There is no such file.'],
    ] as const) {
      const refused = await db(stateDir, 'restore', from);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toBe(
        `oc-gateway: ${from}: ${why} Name one that "oc-gateway db backup" has made.\n`,
      );
    }
    const again = await served(stateDir);
    const page = await again.client.request('chat.history', { sessionKey: 'main' });
    expect(spoken(page)).toEqual(['still here']);
  });
});

describe('db check', () => {
  test('finds a page that was overwritten', async () => {
    const stateDir = await temporaryFolder();
    const { gateway, client } = await served(stateDir);
    for (let n = 0; n < 5; n += 1) await client.say('main', `${n} ${'x'.repeat(3_000)}`);
    await stopped(gateway);
    expect(await db(stateDir, 'check')).toMatchObject({ code: 0 });

    const path = join(stateDir, 'oc-gateway.sqlite');
    const file = await open(path, 'r+');
    onTestFinished(() => file.close());
    const { size } = await file.stat();
    // Every page but the first, which holds the header and the schema.
    for (let at = 4096; at < size; at += 4096) await file.write(Buffer.alloc(64, 0xa5), 0, 64, at);
    const checked = await db(stateDir, 'check');
    expect(checked.code).toBe(1);
    expect(checked.stderr).toContain('oc-gateway db restore FILE');
  });

  test('a store that is not there is an error and is not made', async () => {
    const stateDir = await temporaryFolder();
    for (const command of ['check', 'vacuum']) {
      const refused = await db(stateDir, command);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain('no session store');
    }
    expect(readdirSync(stateDir).filter((name) => name.endsWith('.sqlite'))).toEqual([]);
  });
});

describe('db vacuum', () => {
  test('gives the room of deleted sessions back', async () => {
    const stateDir = await temporaryFolder();
    const { gateway, client } = await served(stateDir);
    for (let n = 0; n < 20; n += 1) await client.say('agent:main:long', 'x'.repeat(30_000));
    await client.request('sessions.delete', { key: 'agent:main:long' });
    expect((await db(stateDir, 'vacuum')).stderr).toContain('in use');
    await stopped(gateway);
    const { size } = await stat(join(stateDir, 'oc-gateway.sqlite'));
    expect(await db(stateDir, 'vacuum')).toMatchObject({ code: 0, stderr: '' });
    expect((await stat(join(stateDir, 'oc-gateway.sqlite'))).size).toBeLessThan(size / 4);
  });
});

test('db backup without a file says what is missing', async () => {
  const { code, stderr } = await runCommand(['db', 'backup']);
  expect(code).toBe(2);
  expect(stderr).toContain('FILE is missing');
});

test('needs no secret of the configuration, and none of its other sections to be right', async () => {
  const stateDir = await temporaryFolder();
  const path = join(stateDir, 'elsewhere.sqlite');
  const gateway = await startGateway({
    stateDir,
    config: testConfig({ upstream: upstream.url, gateway: { storage: { path } } }),
  });
  const client = await connectClient({ port: gateway.port });
  await client.say('main', 'hello');
  await stopped(gateway);
  const config = testConfig({ upstream: upstream.url, gateway: { storage: { path: '${PLACE}' } } });
  await gateway.writeConfig({
    ...config,
    models: { providers: { mock: { baseUrl: upstream.url, apiKey: '${UNSET_KEY}', typo: 1 } } },
    env: { vars: { PLACE: path, OTHER: '${UNSET_TOO}' } },
  });
  expect(await db(stateDir, 'check')).toMatchObject({ code: 0, stderr: '' });
  const exported = await runCommand(['users', 'export', 'alice'], {
    env: { OPENCLAW_STATE_DIR: stateDir },
  });
  expect(exported).toMatchObject({ code: 0, stderr: '' });

  await gateway.writeConfig({ gateway: { storage: { path: '${UNSET_PLACE}' } } });
  const lost = await db(stateDir, 'check');
  expect(lost.code).toBe(1);
  expect(lost.stderr).toContain('gateway.storage.path: the environment variable UNSET_PLACE');
});
