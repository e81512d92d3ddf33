/** A store that cannot be opened: which file, why, and what to do. And commands that root runs for a gateway that is not root's. */

import { chmod, chown, mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runCommand } from '../../support/cli.ts';
import { connectClient } from '../../support/client.ts';
import { testConfig } from '../../support/config.ts';
import { startGateway, temporaryFolder } from '../../support/gateway.ts';
import { GATEWAY } from '../../support/programs.ts';

const STORE = 'oc-gateway.sqlite';

/** A user without any rights. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
/** Root may do everything, so what is forbidden is asked as somebody else. */
const asNobody = isRoot
  ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
  : [];

/** A program that never came to an end would be ended with another code. */
const ENDS_SOON = ['timeout', '--signal=KILL', '30', process.execPath, GATEWAY];

/** What `serve` says of a store that it cannot open. */
async function refusal(stateDir: string): Promise<string> {
  const { code, stderr } = await runCommand(['serve', '--port', '0'], {
    env: { OPENCLAW_STATE_DIR: stateDir },
    command: [...asNobody, process.execPath, GATEWAY],
  });
  expect(code).toBe(1);
  return stderr;
}

async function nobodysFolder(): Promise<string> {
  const folder = await temporaryFolder();
  if (isRoot) await chown(folder, NOBODY, NOBODY);
  return folder;
}

describe('serve says of a store that it cannot open', () => {
  test('that it may not, and which file', async () => {
    const stateDir = await nobodysFolder();
    const store = join(stateDir, STORE);
    await writeFile(store, '');
    await chmod(store, 0o000);
    const said = await refusal(stateDir);
    expect(said).toContain(`${store}: `);
    expect(said).toContain(`permission denied. ${store} is of uid`);
  });

  test('that it may not write its folder, or the lock beside it', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'state'), { mode: 0o755 });
    if (!isRoot) await chmod(join(folder, 'state'), 0o555);
    await chmod(folder, 0o755);
    const said = await refusal(join(folder, 'state'));
    expect(said).toContain(`permission denied. ${join(folder, 'state')} is of uid`);

    const stateDir = await nobodysFolder();
    const lock = join(stateDir, `${STORE}.lock`);
    await writeFile(lock, '');
    await chmod(lock, 0o000);
    expect(await refusal(stateDir)).toContain(`permission denied. ${lock} is of uid`);
  });

  test.each([
    ['OPENCLAW_STATE_DIR', {}, { OPENCLAW_STATE_DIR: '/proc/nowhere/deep' }],
    ['gateway.storage.path', { gateway: { storage: { path: '/proc/nowhere/y.db' } } }, {}],
  ])('that no folder can be made where %s leads', async (_, more, env) => {
    const stateDir = await temporaryFolder();
    const config = join(stateDir, 'openclaw.json');
    await writeFile(config, JSON.stringify(testConfig(more)));
    const found = await runCommand(['serve', '--port', '0', '--config', config], {
      env: { OPENCLAW_STATE_DIR: stateDir, ...env },
      command: ENDS_SOON,
    });
    expect(found.code).toBe(1);
    expect(found.stderr).toMatch(/\/proc\/nowhere\/\S+: The session store cannot be opened/);
    expect(found.stderr).toContain('its folder cannot be made there. Correct gateway.storage.path');
  });

  test('that another program holds its lock', async () => {
    const stateDir = await nobodysFolder();
    const store = join(stateDir, STORE);
    const shell = new Database(store);
    onTestFinished(() => void shell.close());
    if (isRoot) await chown(store, NOBODY, NOBODY);
    shell.exec('BEGIN EXCLUSIVE');
    const said = await refusal(stateDir);
    expect(said).toContain(`${store}: `);
    expect(said).toContain('another program holds its lock');
  });

  test('that it is damaged', async () => {
    const stateDir = await nobodysFolder();
    const store = join(stateDir, STORE);
    await writeFile(store, 'no database at all'.repeat(500));
    if (isRoot) await chown(store, NOBODY, NOBODY);
    const said = await refusal(stateDir);
    expect(said).toContain(`${store}: `);
    expect(said).toContain('damaged, or no database');
    expect(said).toContain('db restore');
  });

  test('that another gateway uses it', async () => {
    const { stateDir } = await startGateway({ config: testConfig() });
    const { stderr } = await runCommand(['serve', '--port', '0'], {
      env: { OPENCLAW_STATE_DIR: stateDir },
    });
    expect(stderr).toContain(`${join(stateDir, STORE)}: `);
    expect(stderr).toContain('in use by another gateway');
  });
});

describe.runIf(isRoot)('db restore as root', () => {
  const owners = async (stateDir: string, names: readonly string[]) =>
    Promise.all(
      names.map(async (name) => {
        const { uid, gid, mode } = await stat(join(stateDir, name));
        return [uid, gid, mode & 0o777];
      }),
    );
  const served = (stateDir: string) =>
    startGateway({ config: testConfig(), stateDir, wrapper: asNobody });
  const theirs = [NOBODY, NOBODY, 0o600];

  test('leaves a store that its gateway can open, whether or not there was one before', async () => {
    const stateDir = await nobodysFolder();
    const env = { OPENCLAW_STATE_DIR: stateDir };
    const copy = join(await temporaryFolder(), 'copy.sqlite');
    const first = await served(stateDir);
    const client = await connectClient({ port: first.port });
    await client.say('main', 'hello');
    expect(await runCommand(['db', 'backup', copy], { env })).toMatchObject({ code: 0 });
    first.signal('SIGTERM');
    await first.exited;

    expect(await runCommand(['db', 'restore', copy], { env })).toMatchObject({ code: 0 });
    expect(await owners(stateDir, [STORE, `${STORE}.lock`])).toEqual([theirs, theirs]);
    await rm(join(stateDir, STORE));
    await rm(join(stateDir, `${STORE}.lock`));
    expect(await runCommand(['db', 'restore', copy], { env })).toMatchObject({ code: 0 });
    expect(await owners(stateDir, [STORE, `${STORE}.lock`])).toEqual([theirs, theirs]);

    const second = await served(stateDir);
    const again = await connectClient({ port: second.port });
    const page = await again.request('chat.history', { sessionKey: 'main' });
    expect(page.messages).toHaveLength(2);
  });

  test('keeps the mode of the store that was there', async () => {
    const stateDir = await nobodysFolder();
    const env = { OPENCLAW_STATE_DIR: stateDir };
    const copy = join(await temporaryFolder(), 'copy.sqlite');
    const gateway = await served(stateDir);
    expect(await runCommand(['db', 'backup', copy], { env })).toMatchObject({ code: 0 });
    gateway.signal('SIGTERM');
    await gateway.exited;
    await chmod(join(stateDir, STORE), 0o640);
    expect(await runCommand(['db', 'restore', copy], { env })).toMatchObject({ code: 0 });
    expect(await owners(stateDir, [STORE])).toEqual([[NOBODY, NOBODY, 0o640]]);
  });
});

test('a store that a link leads to is served where it stands', async () => {
  const [stateDir, elsewhere] = [await temporaryFolder(), await temporaryFolder()];
  await writeFile(join(elsewhere, 'real.sqlite'), '');
  await symlink(join(elsewhere, 'real.sqlite'), join(stateDir, STORE));
  const gateway = await startGateway({ stateDir, config: testConfig() });
  const client = await connectClient({ port: gateway.port });
  expect(await client.say('main', 'hello')).toMatchObject({ state: 'final' });
  expect((await stat(join(elsewhere, 'real.sqlite-wal'))).size).toBeGreaterThan(0);
});
