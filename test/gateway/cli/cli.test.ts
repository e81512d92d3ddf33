/** The command line as people and scripts use it. */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chown, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runCommand } from '../../support/cli.ts';
import { testConfig } from '../../support/config.ts';
import { startGateway, temporaryFolder } from '../../support/gateway.ts';
import { GATEWAY } from '../../support/programs.ts';
import {
  answer,
  events,
  finish,
  gate,
  role,
  says,
  startOpenAiUpstream,
  text,
} from '../../support/upstream/openai.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));

/** Containers often let everybody take any port. */
const hasForbiddenPorts =
  process.getuid?.() === 0 &&
  Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8')) > 81;

describe('oc-gateway', () => {
  test('--version prints the version and nothing else', async () => {
    expect(await runCommand(['--version'])).toEqual({
      code: 0,
      stdout: `${version}\n`,
      stderr: '',
    });
  });

  test('--help names every command', async () => {
    const { code, stdout } = await runCommand(['--help']);
    expect(code).toBe(0);
    for (const command of ['serve', 'chat', 'config check', 'config schema']) {
      expect(stdout).toContain(`oc-gateway ${command}`);
    }
  });

  test.each([['--help'], ['-h'], ['help']])('%s with a command is about that one', async (help) => {
    const about = (...words: string[]) =>
      runCommand(help === 'help' ? [help, ...words] : [...words, help]);
    const db = await about('db');
    expect(db).toMatchObject({ code: 0, stderr: '' });
    expect(db.stdout).toContain('oc-gateway db backup FILE');
    expect(db.stdout).toContain('oc-gateway db vacuum');
    expect(db.stdout).not.toContain('models');
    expect((await about('db', 'check')).stdout).not.toContain('vacuum');
    // What goes on over several lines is there as a whole.
    expect((await about('chat')).stdout).toContain('talk to a running gateway');
    expect((await about('nonsense')).stdout).toBe((await about()).stdout);
  });

  test.each([
    [['sreve'], 'unknown command "sreve"; did you mean "serve"?'],
    [['wrker'], 'unknown command "wrker"\n'],
    [['constructor'], 'unknown command "constructor"'],
    [['config'], 'unknown command "config": there are config check, config schema'],
    [['config', 'chekc'], 'unknown command "config chekc"; did you mean "config check"?'],
    [['db', 'backup'], 'FILE is missing\nTry: oc-gateway db --help'],
    [['serve', '--prot', '1'], "Unknown option '--prot'\n"],
    [['serve', 'now'], 'unexpected argument "now"'],
    [['config', 'schema', '--port', '1'], '--port has no meaning'],
    [['serve', '--port'], '--port'],
  ])('%j is refused with what to do', async (args, problem) => {
    const { code, stdout, stderr } = await runCommand(args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(problem);
    expect(stderr).toContain('--help');
  });

  test('the installed binary runs on the pinned Node, and passes arguments and exit codes through', async () => {
    const bin = join(ROOT, 'deploy', 'bin', 'oc-gateway.js');
    // Whatever Node the host has, if it has one of its own beside the pinned one.
    const hosts = ['/usr/local/bin/node', '/usr/bin/node'].filter((path) => existsSync(path));
    for (const node of [process.execPath, ...hosts]) {
      const printed = execFileSync(node, [bin, '--version'], { encoding: 'utf8' });
      expect(printed).toBe(`${version}\n`);
    }
    expect(await runCommand(['nonsense'], { command: [process.execPath, bin] })).toMatchObject({
      code: 2,
    });
  });
});

describe('serve', () => {
  test.each([
    { from: 'the build', program: GATEWAY, command: 'oc-gateway chat' },
    {
      from: 'its sources',
      program: join(ROOT, 'gateway', 'main.ts'),
      command: 'npm run chat --',
    },
  ])(
    'from $from, without any configuration, serves the demonstration and says how to chat with it',
    async (how) => {
      const gateway = await startGateway({ program: how.program });
      const listening = await gateway.logged('listening');
      expect(listening).toMatchObject({ host: '127.0.0.1', port: gateway.port, pid: gateway.pid });
      gateway.signal('SIGTERM');
      expect(await gateway.exited).toEqual({ code: 0, signal: null });
      expect(gateway.output()).toContain(`${how.command} --port ${gateway.port}`);
      expect(gateway.output()).toContain('demo');
    },
  );

  test('uses One-API when its address and key are in the environment', async () => {
    const upstream = await startOpenAiUpstream();
    onTestFinished(() => upstream.close());
    upstream.script(answer('from the real one'));
    const gateway = await startGateway({
      env: { ONE_API_BASE_URL: upstream.url, ONE_API_KEY: 'sk-env', ONE_API_MODEL: 'some-model' },
    });
    const said = await runCommand(['chat', 'hello', '--port', String(gateway.port)], {
      env: { OPENCLAW_STATE_DIR: gateway.stateDir },
    });
    expect(said).toMatchObject({ code: 0, stdout: 'from the real one\n' });
    const request = await upstream.request(0);
    expect(request.headers.authorization).toBe('Bearer sk-env');
    expect(request.body).toMatchObject({ model: 'some-model' });
  });

  test('a named configuration that is missing is an error, whoever named it', async () => {
    const folder = await temporaryFolder();
    const missing = join(folder, 'none.json');
    for (const [args, env] of [
      [['serve', '--config', missing], {}],
      [['serve'], { OPENCLAW_CONFIG_PATH: missing }],
    ] as const) {
      const result = await runCommand(args, { env: { ...env, OPENCLAW_STATE_DIR: folder } });
      expect(result.code).toBe(1);
      expect(result.stderr).toContain(missing);
    }
  });

  test('refuses to start on an error with the text that config check prints', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'openclaw.json');
    await writeFile(file, '{ gateway: { prot: 1, trustedProxies: ["nonsense"] } }');
    const env = { OPENCLAW_STATE_DIR: folder };
    const served = await runCommand(['serve'], { env });
    const checked = await runCommand(['config', 'check'], { env });
    expect([served.code, checked.code]).toEqual([1, 1]);
    const errors = (checked.stdout + checked.stderr)
      .split('\n')
      .filter((line) => /^\S+:\d+:\d+: /.test(line) && !line.includes('warning:'));
    expect(errors.length).toBeGreaterThanOrEqual(2);
    for (const line of errors) expect(served.stderr).toContain(line);
  });

  test('takes the port from the flag, then the environment, then the file', async () => {
    const folder = await temporaryFolder();
    const config = testConfig({ gateway: { port: 0 } });
    const env = { OPENCLAW_STATE_DIR: folder };
    await writeFile(join(folder, 'openclaw.json'), JSON.stringify(config));
    const bad = await runCommand(['serve'], { env: { ...env, OPENCLAW_GATEWAY_PORT: 'many' } });
    expect(bad).toMatchObject({ code: 1 });
    expect(bad.stderr).toContain('OPENCLAW_GATEWAY_PORT');
    const flag = await runCommand(['serve', '--port', '65536'], { env });
    expect(flag).toMatchObject({ code: 1 });
    expect(flag.stderr).toContain('--port');
    // The environment's nonsense is not looked at when the flag is there.
    const gateway = await startGateway({
      stateDir: folder,
      env: { OPENCLAW_GATEWAY_PORT: 'many' },
    });
    expect(gateway.port).toBeGreaterThan(0);
  });

  test('a port that is taken is an error that says so', async () => {
    const gateway = await startGateway({ config: testConfig() });
    const folder = await temporaryFolder();
    const second = await runCommand(['serve', '--port', String(gateway.port)], {
      env: { OPENCLAW_STATE_DIR: folder },
    });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(
      `oc-gateway: cannot listen on 127.0.0.1:${gateway.port} (gateway.port): another program listens there. End it`,
    );
  });

  test('an address that this machine does not have is an error that says so', async () => {
    const folder = await temporaryFolder();
    // https://www.rfc-editor.org/rfc/rfc5737: nobody's.
    const gateway = { bind: 'custom', customBindHost: '192.0.2.1' };
    const admin = { host: '192.0.2.1', port: 18_811, token: 't'.repeat(32) };
    for (const [section, key, correct] of [
      [gateway, 'gateway.port', 'gateway.bind'],
      [{ admin }, 'gateway.admin.port', 'gateway.admin.host'],
    ] as const) {
      await writeFile(
        join(folder, 'openclaw.json'),
        JSON.stringify(testConfig({ gateway: section })),
      );
      const port = key === 'gateway.port' ? '18789' : '0';
      const { code, stderr } = await runCommand(['serve', '--port', port], {
        env: { OPENCLAW_STATE_DIR: folder },
      });
      expect(code).toBe(1);
      expect(stderr).toContain(`(${key}): this machine has no such address. Correct ${correct}.`);
    }
  });

  test.runIf(hasForbiddenPorts)(
    'a port that only root may take is an error that says so',
    async () => {
      const folder = await temporaryFolder();
      await chown(folder, 65_534, 65_534);
      const admin = { port: 81, token: 't' };
      const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
      const command = [...asNobody, process.execPath, GATEWAY];
      const env = { OPENCLAW_STATE_DIR: folder };
      await writeFile(
        join(folder, 'openclaw.json'),
        JSON.stringify(testConfig({ gateway: { admin } })),
      );
      for (const [port, key] of [
        ['80', 'gateway.port'],
        ['0', 'gateway.admin.port'],
      ] as const) {
        const refused = await runCommand(['serve', '--port', port], { env, command });
        expect(refused.code).toBe(1);
        expect(refused.stderr).toContain(`(${key}): permission denied.`);
      }
    },
  );

  test("refuses a port that is the admin listener's, whoever names it", async () => {
    const folder = await temporaryFolder();
    const write = (admin: number) =>
      writeFile(
        join(folder, 'openclaw.json'),
        JSON.stringify(
          testConfig({ gateway: { port: 700, workers: 3, admin: { port: admin, token: 't' } } }),
        ),
      );
    const env = { OPENCLAW_STATE_DIR: folder };
    await write(702);
    const checked = await runCommand(['config', 'check'], { env });
    expect(checked.code).toBe(1);
    expect(checked.stdout).toContain('gateway.admin.port: it is a port of the gateway');
    await write(703);
    expect(await runCommand(['config', 'check'], { env })).toMatchObject({ code: 0 });
    const served = await runCommand(['serve', '--port', '701'], { env });
    expect(served).toMatchObject({ code: 1, stdout: '' });
    expect(served.stderr).toContain('701 to 703 are for sockets');
  });

  test('says at the start which agents have no model', async () => {
    const gateway = await startGateway({
      config: { ...testConfig(), agents: { defaults: {} } },
    });
    expect(await gateway.logged('listening')).toMatchObject({ agentsWithoutModel: ['main'] });
    expect(gateway.output()).toContain('agents.defaults.model');
  });
});

describe('chat', () => {
  test('asks one question, streams the answer, exits', async () => {
    const gateway = await startGateway();
    const result = await runCommand(
      ['chat', 'Who', 'are', 'you?', '--port', String(gateway.port)],
      {
        env: { OPENCLAW_STATE_DIR: gateway.stateDir },
      },
    );
    expect(result.code).toBe(0);
    expect(result.stdout).toContain('demonstration');
    expect(result.stdout).toContain('Who are you?');
  });

  test('reads messages line by line', async () => {
    const upstream = await startOpenAiUpstream();
    onTestFinished(() => upstream.close());
    const gateway = await startGateway({ config: testConfig({ upstream: upstream.url }) });
    const result = await runCommand(['chat', '--port', String(gateway.port), '--session', 's1'], {
      env: { OPENCLAW_STATE_DIR: gateway.stateDir },
      input: 'one\ntwo\n',
    });
    expect(result.code).toBe(0);
    expect(result.stdout).toBe('You said: one\nYou said: two\n');
    expect(result.stderr).toContain('session s1');
  });

  test.each([
    ['SIGKILL', 'oc-gateway chat: the connection to the gateway broke off'],
    ['SIGTERM', 'The answer was stopped at the gateway.'],
  ] as const)('says that its gateway ended in mid-answer (%s)', async (signal, said) => {
    const upstream = await startOpenAiUpstream();
    onTestFinished(() => upstream.close());
    const open = gate();
    upstream.when(says('hold'), events(role(), text('half of'), open.promise, finish('stop')));
    const gateway = await startGateway({
      config: testConfig({
        upstream: upstream.url,
        gateway: { shutdown: { graceSeconds: 0, spreadSeconds: 0 } },
        logging: { level: 'debug' },
      }),
    });
    const asked = runCommand(['chat', 'hold', '--port', String(gateway.port)], {
      env: { OPENCLAW_STATE_DIR: gateway.stateDir },
    });
    await gateway.logged('checkpoint');
    gateway.signal(signal);
    const result = await asked;
    expect(result.code).toBe(1);
    expect(result.stdout).toMatch(/^half of\n/);
    expect(result.stderr).toContain(said);
  });

  test.each<[from: string, flags: string[], advice: string]>([
    ['the build', ['--port', '1'], '"oc-gateway serve --port 1" or name its port with --port'],
    ['the build', ['--gateway-port', '1'], '"oc-gateway serve --port 1"'],
    ['the build', ['--config', 'a b.json'], `"oc-gateway serve --config 'a b.json'"`],
    ['the build', ['--url', 'ws://localhost:1/'], 'start the gateway there or name another'],
    ['the build', [], '"oc-gateway serve"'],
    ['its sources', [], '"npm start"'],
    ['its sources', ['--gateway-port', '1'], '"npm start -- --gateway-port 1"'],
    [
      'its sources',
      ['--config', 'c.json', '--port', '1'],
      '"npm run gateway -- serve --config c.json --port 1"',
    ],
  ])(
    'from %s, with %j, says how to start what does not listen, with the same flags',
    async (from, flags, advice) => {
      const cwd = await temporaryFolder();
      for (const name of ['a b.json', 'c.json']) await writeFile(join(cwd, name), '{}');
      const program = from === 'the build' ? GATEWAY : join(ROOT, 'gateway', 'main.ts');
      const { code, stderr } = await runCommand(['chat', 'hi', ...flags], {
        env: { OPENCLAW_STATE_DIR: cwd, OPENCLAW_GATEWAY_PORT: '1' },
        command: [process.execPath, program],
        cwd,
      });
      expect(code).toBe(1);
      expect(stderr).toContain('nothing listens at ws://');
      expect(stderr).toContain(advice);
    },
  );

  test('says how to check the configuration that was named', async () => {
    const file = join(await temporaryFolder(), 'odd.json');
    await writeFile(file, '{ gateway: { prot: 1 } }');
    const { code, stderr } = await runCommand(['chat', 'hi', '--config', file]);
    expect(code).toBe(1);
    expect(stderr).toContain(`oc-gateway config check --config ${file}\n`);
  });

  test('takes an address without its ws://, and refuses what is none', async () => {
    const gateway = await startGateway();
    const ask = (url: string) =>
      runCommand(['chat', 'hi', '--url', url], { env: { OPENCLAW_STATE_DIR: gateway.stateDir } });
    for (const scheme of ['', 'ws://', 'http://']) {
      const said = await ask(`${scheme}localhost:${gateway.port}`);
      expect(said).toMatchObject({ code: 0, stderr: '' });
    }
    for (const url of ['ftp://localhost:1', 'localhost:port', 'ws://']) {
      const { code, stderr } = await ask(url);
      expect(code).toBe(1);
      expect(stderr).toBe(
        `oc-gateway chat: --url "${url}" is no address of a gateway; write it as ws://127.0.0.1:18789\n`,
      );
    }
  });

  test('says what to do when it may not come in', async () => {
    const gateway = await startGateway({
      config: testConfig({ gateway: { trustedProxies: ['10.1.2.3'], bind: 'loopback' } }),
    });
    const refused = await runCommand(['chat', 'hi', '--port', String(gateway.port)], {
      env: { OPENCLAW_STATE_DIR: gateway.stateDir },
    });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('gateway.trustedProxies');
  });

  test('says by which rule it was refused', async () => {
    const gateway = await startGateway({
      config: testConfig({ gateway: { instances: { 'oc-a': 'main' } } }),
    });
    const words = ['chat', 'hi', '--port', String(gateway.port), '--instance', 'oc-nowhere'];
    const { code, stderr } = await runCommand(words, {
      env: { OPENCLAW_STATE_DIR: gateway.stateDir },
    });
    expect(code).toBe(1);
    expect(stderr).toContain('unauthorized (trusted_proxy_instance_unknown)');
  });
});
