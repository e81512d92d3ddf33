/** What is shipped beside the programs fits them: units, container files, and the page for operators. */

import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import nodeFlags from '../../deploy/bin/node-flags.json' with { type: 'json' };
import { REASONS } from '../../deploy/edge/close-codes.ts';
import rolldown from '../../rolldown.config.ts';
import { runCommand } from '../support/cli.ts';

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
    expect(portal.gateways[0].adminUrl).toBe(`http://${addressOf('gateway')}:18790`);
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
