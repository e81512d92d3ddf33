/** What is shipped beside the programs fits them: units, container files, and the page for operators. */

import { execFileSync } from 'node:child_process';
import { glob, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import nodeFlags from '../../deploy/bin/node-flags.json' with { type: 'json' };
import { REASONS } from '../../deploy/edge/close-codes.ts';
import rolldown from '../../rolldown.config.ts';
import { runCommand } from '../support/cli.ts';
import { temporaryFolder } from '../support/gateway.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SECRET = 'a-secret-of-the-tests-0123456789abcdef';

function read(path: string): Promise<string> {
  return readFile(join(ROOT, path), 'utf8');
}

test('docs/operations.md prints the table of refusals', async () => {
  const text = await read('docs/operations.md');
  const rows = [...text.matchAll(/^\| `([a-z_]+)` \| (\d{4}) \| (.+) \|$/gm)];
  const printed = rows.map(([, reason = '', code, when]) => [reason, { code: Number(code), when }]);
  expect(Object.fromEntries(printed)).toEqual(REASONS);
});

test('every unit starts a program that is built, hardened', async () => {
  const { input } = { input: {}, ...rolldown };
  const built = Object.keys(input).map((name) => `dist/${name}.js`);
  const started: string[] = [];
  for await (const file of glob('deploy/systemd/*.service', { cwd: ROOT })) {
    const unit = await read(file);
    const [, flags = '', program = file] =
      /^ExecStart=\S+\/node (.*) \S+\/oc-gateway\/(dist\/\S+)/m.exec(unit) ?? [];
    // As the programs in deploy/bin start them.
    expect(flags.split(' '), file).toEqual(nodeFlags);
    started.push(program);
    for (const line of ['NoNewPrivileges=yes', 'ProtectSystem=strict', 'CapabilityBoundingSet=']) {
      expect(unit.split('\n'), file).toContain(line);
    }
    expect(unit, file).toMatch(/^(?:User=oc-|DynamicUser=yes)/m);
  }
  expect(started.toSorted()).toEqual(built.toSorted());
});

test('docs/operations.md makes secrets with which the examples work, equal on both sides', async () => {
  const folder = await temporaryFolder();
  const at = (text: string) => text.replaceAll('/etc/oc-gateway', folder);
  const [, script = ''] =
    /^```sh\n(cd \/etc\/oc-gateway\n[^`]+)```$/m.exec(await read('docs/operations.md')) ?? [];
  execFileSync('sh', ['-eu'], { input: at(script) });
  for (const name of ['internal-secret', 'gateway-secret', 'gateway.env', 'portal.env']) {
    expect((await stat(join(folder, name))).mode & 0o777, name).toBe(0o600);
  }
  const variables = async (name: string): Promise<Record<string, string>> => {
    const lines = (await readFile(join(folder, name), 'utf8')).trim().split('\n');
    return Object.fromEntries(lines.map((line) => line.split('=', 2)));
  };
  const gateway: Record<string, string> = {
    ...(await variables('gateway.env')),
    ONE_API_KEY: 'sk-test',
  };
  const portal = await variables('portal.env');

  const example = await read('openclaw.json.example');
  const config = join(folder, 'openclaw.json');
  await writeFile(config, example.replace('// admin:', 'admin:'));
  const checked = await runCommand(['config', 'check', '--config', config], { env: gateway });
  expect(checked).toMatchObject({ code: 0, stdout: `${config}: ok\n` });

  const [, sample = ''] =
    /^```json\n(\{\n[^`]+"jwtSecret"[^`]+)```$/m.exec(await read('docs/portal-contract.md')) ?? [];
  for (const [, name = ''] of sample.matchAll(/\$\{([A-Z_]+)\}/g)) {
    expect(portal[name]?.length, name).toBe(64);
  }
  expect(portal['OC_GATEWAY_ADMIN_TOKEN']).toBe(gateway['GATEWAY_ADMIN_TOKEN']);

  const values = join(folder, 'values.json');
  await writeFile(values, at(await read('deploy/nginx/values.example.json')));
  const out = join(folder, 'nginx');
  const rendered = await runCommand(['nginx', 'render', '--values', values, '--out', out]);
  expect(rendered).toMatchObject({ code: 0, stderr: '' });
  const secrets = await Promise.all(
    rendered.stdout
      .trim()
      .split('\n')
      .map((path) => readFile(join(out, path), 'utf8')),
  );
  for (const shared of [portal['OC_PORTAL_INTERNAL_SECRET'], gateway['GATEWAY_SECRET']]) {
    expect(shared).toHaveLength(64);
    expect(secrets.join('\n')).toContain(shared);
  }
});

describe('the container files', () => {
  const env = {
    ONE_API_KEY: 'k',
    OC_GATEWAY_SECRET: SECRET,
    OC_ADMIN_TOKEN: SECRET,
    OC_INTERNAL_SECRET: SECRET,
  };

  test('have a gateway configuration without problems', async () => {
    const args = ['config', 'check', '--config', join(ROOT, 'deploy/docker/openclaw.json5')];
    const result = await runCommand(args, { env });
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).not.toContain('warning');
  });

  test('have values that render', async () => {
    const args = ['nginx', 'render', '--values', join(ROOT, 'deploy/docker/nginx-values.json')];
    expect(await runCommand(args, { env })).toMatchObject({ code: 0, stderr: '' });
  });

  test('name each other by the addresses that they have', async () => {
    const compose = await read('deploy/docker/compose.yaml');
    const addressOf = (service: string) =>
      new RegExp(
        `^ {2}${service}:\\n(?: {4}.*\\n| *#.*\\n)*? {4}networks: .*ipv4_address: ([0-9.]+)`,
        'm',
      ).exec(compose)?.[1];
    const values = JSON.parse(await read('deploy/docker/nginx-values.json'));
    const portal = JSON.parse(await read('deploy/docker/portal.json'));
    expect(values.portal).toBe(`${addressOf('portal')}:${portal.listen.port}`);
    expect(values.refusals).toBe(`${addressOf('refusals')}:18801`);
    expect(portal.trustedProxies).toEqual([addressOf('nginx')]);
    expect(portal.gateways[0].adminUrl).toBe(`http://${addressOf('gateway')}:18811`);
    expect(await read('deploy/docker/openclaw.json5')).toContain(
      `trustedProxies: ['${addressOf('nginx')}']`,
    );
  });

  test('pass every variable that the configurations ask for', async () => {
    const compose = await read('deploy/docker/compose.yaml');
    const example = await read('deploy/docker/example.env');
    for (const name of ['openclaw.json5', 'portal.json']) {
      const text = await read(`deploy/docker/${name}`);
      for (const [, variable = ''] of text.matchAll(/\$\{([A-Z_]+)\}/g)) {
        expect(compose).toContain(`${variable}: \${${variable}:?}`);
        expect(example).toContain(`${variable}=`);
      }
    }
  });
});
