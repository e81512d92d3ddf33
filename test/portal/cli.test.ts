/** The operator's commands, as processes; also beside a portal that serves the same file. */

import { existsSync } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseMap } from '../../deploy/nginx/map.ts';
import manifest from '../../package.json' with { type: 'json' };
import { openStore } from '../../portal/store/store.ts';
import { runCommand } from '../support/cli.ts';
import { PORTAL } from '../support/programs.ts';
import { startGatewayAdmin } from './support/gateway-admin.ts';
import {
  ask,
  bearer,
  INTERNAL_SECRET,
  portalConfig,
  post,
  temporaryFolder,
} from './support/portal.ts';
import { portalCommand, startPortalProcess } from './support/process.ts';

async function workspace(more: object = {}) {
  const folder = await temporaryFolder();
  const config = join(folder, 'portal.json');
  await writeFile(config, JSON.stringify(portalConfig(more)));
  const run = (line: string, input?: string) =>
    portalCommand(line.split(' '), { config, ...(input !== undefined && { input }) });
  const all = async (...lines: string[]) => {
    for (const line of lines) expect(await run(line)).toMatchObject({ code: 0, stderr: '' });
  };
  return { folder, config, run, all };
}

/** Many processes one after the other; a busy machine takes its time for them. */
const MANY_PROCESSES = { timeout: 180_000 };

describe('oc-portal', () => {
  test('--version and --help', async () => {
    expect(await portalCommand(['--version'])).toEqual({
      code: 0,
      stdout: `${manifest.version}\n`,
      stderr: '',
    });
    const { code, stdout } = await portalCommand(['--help']);
    expect(code).toBe(0);
    for (const command of [
      'serve',
      'users add',
      'instances set',
      'grants list',
      'nginx-map',
      'contract-test',
    ]) {
      expect(stdout).toContain(`oc-portal ${command}`);
    }
  });

  test('--help with a command is about that one, also where a line is about several', async () => {
    const { stdout } = await portalCommand(['users', 'enable', '--help']);
    expect(stdout).toContain('oc-portal users disable|enable|remove ID');
    expect(stdout).not.toContain('users add');
  });

  test('the installed binary runs on the pinned Node, and passes arguments and exit codes through', async () => {
    const bin = join(import.meta.dirname, '..', '..', 'deploy', 'bin', 'oc-portal.js');
    const command = [process.execPath, bin];
    expect((await runCommand(['--version'], { command })).stdout).toBe(`${manifest.version}\n`);
    expect(await runCommand(['nonsense'], { command })).toMatchObject({ code: 2 });
  });

  test.each([
    [['sreve'], 'unknown command "sreve"'],
    [['constructor'], 'unknown command "constructor"'],
    [['users'], 'unknown command "users": there are users add, users list,'],
    [['usres', 'add'], 'unknown command "usres add"; did you mean "users add"?'],
    [['users', 'add'], 'ID is missing'],
    [['grants', 'add', 'alice'], 'INSTANCE is missing'],
    [['users', 'list', 'x'], 'unexpected argument "x"'],
    [['users', 'list', '--backend', 'x'], '--backend has no meaning'],
    [['users', 'add', 'alice', '--password', 'secret'], '--password'],
    [['serve', '--port', 'x', '--config', 'CONFIG'], '--port'],
  ])('%j is refused with what to do', async (args, problem) => {
    const { config } = await workspace();
    const { code, stdout, stderr } = await portalCommand(
      args.map((each) => (each === 'CONFIG' ? config : each)),
    );
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(problem);
  });

  test('without a configuration says how to name one', async () => {
    const { code, stderr } = await portalCommand([
      'users',
      'list',
      '--config',
      '/nowhere/portal.json',
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain('OC_PORTAL_CONFIG');
  });

  test('config check reports every problem, and that there is none', async () => {
    const good = await workspace();
    expect(await good.run('config check')).toEqual({
      code: 0,
      stdout: `${good.config}: ok\n`,
      stderr: '',
    });
    const bad = await workspace({ jwtSecret: '${UNSET}', database: undefined });
    const { code, stdout, stderr } = await bad.run('config check');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('database: it is missing');
    expect(stderr).toContain('jwtSecret: the environment has no UNSET');
    const folder = await portalCommand(['config', 'check', '--config', bad.folder]);
    expect(folder.stderr).toContain('it is a folder');
  });

  test('serve reports every problem and starts nothing', async () => {
    const { config } = await workspace({ jwtSecret: '${UNSET}', database: undefined });
    const { code, stderr } = await portalCommand(['serve'], { config });
    expect(code).toBe(1);
    expect(stderr).toContain('database: it is missing');
    expect(stderr).toContain('jwtSecret: the environment has no UNSET');
  });

  test('serve and commands say so where no folder for the database can be made', async () => {
    const { config } = await workspace({ database: '/proc/nowhere/deep/portal.db' });
    for (const line of ['serve --port 0', 'users add anna --no-password']) {
      // A program that never came to an end would be ended with another code.
      const command = ['timeout', '--signal=KILL', '30', process.execPath, PORTAL];
      const env = { OC_PORTAL_CONFIG: config };
      const { code, stderr } = await runCommand(line.split(' '), { command, env });
      expect(code).toBe(1);
      expect(stderr).toContain("The portal's database cannot be opened");
      expect(stderr).toContain('check the path in the configuration');
    }
  });

  test('a file of another program, or of a newer release, is left alone', async () => {
    const { folder, run } = await workspace();
    const { default: Database } = await import('better-sqlite3');
    const path = join(folder, 'portal.db');
    const other = new Database(path);
    other.exec('CREATE TABLE theirs (a)');
    other.close();
    const refused = await run('users list');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('another program');
    expect(refused.stderr).not.toContain(folder);
    const newer = await workspace();
    await newer.run('users add anna --no-password');
    const file = new Database(join(newer.folder, 'portal.db'));
    file.pragma('user_version = 99');
    file.close();
    expect((await newer.run('users list')).stderr).toContain('newer release');
  });

  test('what reads makes no database where there is none: the path is wrong', async () => {
    const { folder, run } = await workspace({ database: 'stat/portal.db' });
    for (const command of ['users list', 'nginx-map', 'grants add anna oc-a']) {
      const { code, stdout, stderr } = await run(command);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain('there is no portal database at');
    }
    expect(existsSync(join(folder, 'stat'))).toBe(false);
  });

  test('a file that is no portal database keeps its mode', async () => {
    const { folder, run } = await workspace({ database: 'notes.txt' });
    await writeFile(join(folder, 'notes.txt'), 'mine', { mode: 0o644 });
    expect((await run('users list')).code).toBe(1);
    expect((await stat(join(folder, 'notes.txt'))).mode & 0o777).toBe(0o644);
  });

  test('an empty value is a variable that is not set, but where it clears something', async () => {
    const { run } = await workspace();
    await run('instances add oc-a --backend 127.0.0.1:1 --model m');
    expect(await run('instances set oc-a --model=')).toMatchObject({ code: 0 });
    const refused = await run('instances set oc-a --name=');
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('--name is empty');
  });

  test('the database is private', async () => {
    const { folder, run } = await workspace({ database: 'state/portal.db' });
    await run('users add anna --no-password');
    expect((await stat(join(folder, 'state'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, 'state', 'portal.db'))).mode & 0o777).toBe(0o600);
  });

  test('needs no secrets but to serve', async () => {
    const { run } = await workspace({ jwtSecret: '${UNSET}', internalSecret: '${UNSET}' });
    expect(await run('users add anna --no-password')).toMatchObject({ code: 0 });
  });
});

test('a backup made while the portal serves holds what was changed until then, and can take its place', async () => {
  const { folder, config, run, all } = await workspace();
  await all('users add anna --no-password', 'instances add oc-a --backend 127.0.0.1:1');
  const portal = await startPortalProcess(config);
  await all('grants add anna oc-a');
  const copy = join(folder, 'copy.db');
  expect(await run(`db backup ${copy}`)).toEqual({ code: 0, stdout: `${copy}\n`, stderr: '' });
  expect((await stat(copy)).mode & 0o777).toBe(0o600);
  const again = await run(`db backup ${copy}`);
  expect(again).toMatchObject({ code: 1, stdout: '' });
  expect(again.stderr).toContain('exists already');
  expect((await run(`db backup ${folder}/no/where.db`)).stderr).toContain('could not be written');
  await portal.stop();
  const restored = await workspace({ database: copy });
  expect((await restored.run('grants list')).stdout).toContain('anna');
});

describe('users', MANY_PROCESSES, () => {
  test('are added with a password from standard input, listed, disabled, enabled', async () => {
    const { run } = await workspace();
    const added = await run(
      'users add alice@example.com --name Alice --password-stdin',
      'long enough\n',
    );
    expect(added).toEqual({ code: 0, stdout: 'added alice@example.com\n', stderr: '' });
    expect((await run('users list')).stdout).toBe('alice@example.com  enabled  Alice\n');
    await run('users disable alice@example.com');
    expect(JSON.parse((await run('users list --json')).stdout)).toMatchObject([
      { id: 'alice@example.com', enabled: false },
    ]);
    await run('users enable alice@example.com');
    expect((await run('users list')).stdout).toContain('enabled');
    expect((await run('users list --json')).stdout).not.toContain('argon2');
  });

  test.each([
    ['zoë', 'a user id is'],
    ['a b', 'a user id is'],
    ['.alice', 'a user id is'],
    ['a,b', 'a user id is'],
    ['a'.repeat(129), 'a user id is'],
  ])('the id %j is refused', async (id, problem) => {
    const { config } = await workspace();
    const { code, stderr } = await portalCommand(['users', 'add', id, '--no-password'], { config });
    expect(code).toBe(1);
    expect(stderr).toContain(problem);
  });

  test('names with control characters, short passwords and missing terminals are refused', async () => {
    const { config, run } = await workspace();
    const escape = await portalCommand(
      ['users', 'add', 'a', '--no-password', '--name', '\x1b[31m'],
      { config },
    );
    expect(escape.stderr).toContain('control characters');
    expect((await run('users add a --password-stdin', 'short\n')).stderr).toContain('at least 8');
    expect((await run('users add a')).stderr).toContain('--password-stdin');
    expect((await run('users add a --password-stdin --no-password', 'x')).code).toBe(1);
    expect((await run('users list')).stdout).toBe('');
  });

  test('an id is given out once, also in another case, and never again after a removal', async () => {
    const { run, all } = await workspace();
    await all('users add alice --no-password');
    expect((await run('users add Alice --no-password')).stderr).toContain('already');
    await all('users remove ALICE');
    expect((await run('users list')).stdout).toBe('');
    expect((await run('users add alice --no-password')).stderr).toContain('was a user before');
    expect((await run('users enable alice')).stderr).toContain('no user "alice"');
    expect((await run('users ticket alice')).stderr).toContain('no user "alice"');
  });
});

describe('instances', MANY_PROCESSES, () => {
  test('are added, changed and listed, with their grants', async () => {
    const { config, run, all } = await workspace();
    await all('users add alice --no-password', 'instances add oc-a --backend 10.0.0.1:18810');
    const args = [
      'instances',
      'set',
      'oc-a',
      '--name',
      'Tokyo 2',
      '--model',
      'm',
      '--starter',
      'One?',
      '--starter',
      '二',
    ];
    expect(await portalCommand(args, { config })).toMatchObject({ code: 0 });
    expect((await run('instances list')).stdout).toBe(
      'oc-a  enabled  10.0.0.1:18810  m  Tokyo 2\n',
    );
    await portalCommand(['instances', 'set', 'oc-a', '--model', ''], { config });
    expect(JSON.parse((await run('instances list --json')).stdout)).toEqual([
      {
        id: 'oc-a',
        name: 'Tokyo 2',
        backend: '10.0.0.1:18810',
        starters: ['One?', '二'],
        enabled: true,
      },
    ]);
    await all('grants add ALICE oc-a');
    expect((await run('grants list')).stdout).toBe('alice  oc-a\n');
    await all('instances remove oc-a');
    expect((await run('grants list')).stdout).toBe('');
    expect((await run('grants add alice oc-a')).stderr).toContain('no instance "oc-a"');
    expect((await run('grants remove bob oc-a')).stderr).toContain('no user "bob"');
    expect((await run('instances set oc-a --name x')).stderr).toContain('no instance');
  });

  test.each([
    ['ai-1', '10.0.0.1:1', 'an instance id is'],
    ['oc-A', '10.0.0.1:1', 'an instance id is'],
    ['oc-a;', '10.0.0.1:1', 'an instance id is'],
    ['oc-a', 'gateway.local:1', 'resolver'],
    ['oc-a', '10.0.0.1', 'is not a backend'],
    ['oc-a', '10.0.0.1:99999', 'no usable port'],
    ['oc-a', '10.0.0.1:1; evil', 'port'],
  ])('%j at %j is refused', async (id, backend, problem) => {
    const { config, run } = await workspace();
    const answer = await portalCommand(['instances', 'add', id, '--backend', backend], { config });
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain(problem);
    expect((await run('instances list')).stdout).toBe('');
  });

  test('make the map that nginx reads; a row that came by another way spoils it whole', async () => {
    const { folder, run, all } = await workspace();
    await all(
      'instances add oc-ai-jp-2-02 --backend 34.85.76.114:18810',
      'instances add oc-b --backend [2001:db8::1]:18810',
      'instances add oc-off --backend 10.0.0.3:1',
      'instances disable oc-off',
    );
    const map = (await run('nginx-map')).stdout;
    expect(map).toBe('oc-ai-jp-2-02  34.85.76.114:18810;\noc-b  [2001:db8::1]:18810;\n');
    expect(parseMap(map).ok).toBe(true);
    const store = openStore(join(folder, 'portal.db'));
    onTestFinished(() => store.close());
    store.instances.put({ id: 'oc-c', name: 'c', backend: 'x; }', starters: [], enabled: true }, 0);
    const spoilt = await run('nginx-map');
    expect([spoilt.code, spoilt.stdout]).toEqual([1, '']);
    expect(spoilt.stderr).toContain('row 3');
  });
});

describe('beside a portal that serves', MANY_PROCESSES, () => {
  test('a user can be made, signs in, loses the right, and the gateway hears of it', async () => {
    const gateway = await startGatewayAdmin();
    const { adminUrl, token } = gateway;
    const { config, folder, run, all } = await workspace({
      gateways: [{ adminUrl, token }],
      pageDir: 'page',
      // Commands run between the first use of a token and the next.
      tokens: { webchatSeconds: 600, reuseSeconds: 60 },
    });
    await mkdir(join(folder, 'page'));
    const portal = await startPortalProcess(config);
    expect(portal.output()).toContain('page_missing');
    await run('users add alice --password-stdin', 'long enough\n');
    await all('instances add oc-a --backend 10.0.0.1:18810', 'grants add alice oc-a');
    const login = await post(`${portal.url}/api/v1/auth/login`, {
      username: 'alice',
      password: 'long enough',
    });
    expect(login.status).toBe(200);
    const ticket = (await run('users ticket alice')).stdout.trim();
    expect((await post(`${portal.url}/api/v1/auth/login`, { ticket })).status).toBe(200);
    const access = bearer(login.body['access_token']);
    const create = () =>
      post(`${portal.url}/api/v1/me/webchat/session/create`, { instance_id: 'oc-a' }, access);
    const { body } = await create();
    const verify = () =>
      ask(`${portal.url}/api/v1/internal/webchat/verify?token=${body['token']}`, {
        headers: { 'x-internal-secret': INTERNAL_SECRET },
      });
    expect((await verify()).headers.get('x-user-id')).toBe('alice');
    await all('grants remove alice oc-a');
    expect((await verify()).headers.get('x-deny-reason')).toBe('no_permission');
    expect((await create()).status).toBe(403);
    await gateway.called(1);
    expect(gateway.calls[0]?.body).toEqual({ userId: 'alice', instanceId: 'oc-a' });
    await run('users password alice --password-stdin', 'another one\n');
    expect((await create()).status).toBe(401);
    expect(await portal.stop()).toBe(0);
    expect(portal.output()).toContain('"event":"stopped"');
  });

  test('two portals serve one file: what one gives, the other takes, once', async () => {
    const { config, run, all } = await workspace({ tokens: { reuseSeconds: 1 } });
    const [one, two] = [await startPortalProcess(config), await startPortalProcess(config)];
    await run('users add alice --password-stdin', 'long enough\n');
    await all('instances add oc-a --backend 10.0.0.1:18810', 'grants add alice oc-a');
    const login = await post(`${one.url}/api/v1/auth/login`, {
      username: 'alice',
      password: 'long enough',
    });
    const created = await post(
      `${two.url}/api/v1/me/webchat/session/create`,
      { instance_id: 'oc-a' },
      bearer(login.body['access_token']),
    );
    const verify = (at: string) =>
      ask(`${at}/api/v1/internal/webchat/verify?token=${created.body['token']}`, {
        headers: { 'x-internal-secret': INTERNAL_SECRET },
      });
    expect((await verify(one.url)).status).toBe(200);
    // Real seconds: the window in which it works again is over for both.
    await vi.waitFor(async () => expect((await verify(two.url)).status).toBe(403), {
      timeout: 8_000,
      interval: 250,
    });
    expect((await verify(two.url)).headers.get('x-deny-reason')).toBe('token_used');
  });
});
