/** `oc-gateway nginx render` and `oc-gateway nginx check`, as operators and their scripts run them. */

import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runCommand } from '../support/cli.ts';
import { temporaryFolder } from '../support/gateway.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const TLS = join(import.meta.dirname, 'tls');
const VALUES = {
  serverNames: { page: ['app.example.com'], api: ['m.example.com'], socket: ['api.example.com'] },
  tls: { certificate: join(TLS, 'cert.pem'), key: join(TLS, 'key.pem') },
  allowedOrigins: ['https://app.example.com'],
  upstreams: { oc_pool: ['10.0.0.1:18789'] },
};
const SECRET = 'the-internal-secret-0123456789';

async function files(values: object | string, map = 'oc-a  1.2.3.4:5;\n') {
  const folder = await temporaryFolder();
  const at = { folder, values: join(folder, 'values.json'), map: join(folder, 'map.conf') };
  await writeFile(at.values, typeof values === 'string' ? values : JSON.stringify(values));
  await writeFile(at.map, map);
  return at;
}

describe('nginx render', () => {
  test('writes files that nginx takes, secrets for their owner only', async () => {
    const at = await files({ ...VALUES, internalSecretFile: 'SECRET' });
    const secretFile = join(at.folder, 'secret');
    await writeFile(secretFile, `${SECRET}\n`);
    await writeFile(at.values, JSON.stringify({ ...VALUES, internalSecretFile: secretFile }));
    const out = join(at.folder, 'etc');
    const result = await runCommand(['nginx', 'render', '--values', at.values, '--out', out]);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const written = result.stdout.trim().split('\n');
    expect(written).toContain('conf.d/oc-gateway.conf');
    for (const name of written) {
      const mode = (await stat(join(out, name))).mode & 0o777;
      expect([name, mode]).toEqual([name, name.includes('secret') ? 0o600 : 0o644]);
    }
    expect(await readFile(join(out, 'oc-gateway/portal-secret.conf'), 'utf8')).toContain(SECRET);
    // Again over the first: nothing is left lying about.
    await runCommand(['nginx', 'render', '--values', at.values, '--out', out]);
    expect(
      (await readdir(out, { recursive: true })).filter((name) => name.endsWith('.new')),
    ).toEqual([]);
  });

  test('prints without --out, and no secret', async () => {
    const at = await files(VALUES);
    const result = await runCommand(['nginx', 'render', '--values', at.values], {
      env: { OC_INTERNAL_SECRET: SECRET },
    });
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain('# ==> conf.d/oc-gateway.conf');
    expect(result.stdout).toContain('server_name api.example.com;');
    expect(result.stdout).not.toContain(SECRET);
  });

  test.each<[what: string, values: object | string, problem: string]>([
    ['a wrong value', { ...VALUES, portal: 'portal.example:1' }, 'portal: '],
    ['no JSON', '{ "a": ', 'is not JSON'],
    ['no secret', VALUES, 'OC_INTERNAL_SECRET'],
  ])('%s is refused and nothing is written', async (_what, values, problem) => {
    const at = await files(values);
    const out = join(at.folder, 'etc');
    const result = await runCommand(['nginx', 'render', '--values', at.values, '--out', out]);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain(problem);
    expect(await readdir(at.folder)).not.toContain('etc');
  });

  test('a folder in which nothing can be made is refused at once', async () => {
    const at = await files(VALUES);
    const out = '/proc/oc-nginx';
    const result = await runCommand(['nginx', 'render', '--values', at.values, '--out', out], {
      env: { OC_INTERNAL_SECRET: SECRET },
    });
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain(out);
  });

  test('the example that is shipped renders', async () => {
    const example = join(ROOT, 'deploy/nginx/values.example.json');
    const values = JSON.parse(await readFile(example, 'utf8'));
    const at = await files({ ...values, internalSecretFile: undefined, gatewaySecret: undefined });
    const result = await runCommand(['nginx', 'render', '--values', at.values], {
      env: { OC_INTERNAL_SECRET: SECRET },
    });
    expect(result).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('nginx check', () => {
  test('a good map passes, alone and with the values', async () => {
    const at = await files(VALUES, 'oc-a  1.2.3.4:5;\noc-b  oc_pool;\n');
    for (const more of [[], ['--values', at.values]]) {
      const result = await runCommand(['nginx', 'check', '--map', at.map, ...more]);
      expect(result).toEqual({ code: 0, stdout: `${at.map}: ok\n`, stderr: '' });
    }
  });

  test.each([
    ['an empty file', '', 'names no instance'],
    ['only comments', '# nothing\n', 'names no instance'],
    ['a bad line', 'oc-a 1.2.3.4:5;\noc-b localhost:5;\n', ':2: '],
    ['an unknown upstream', 'oc-a oc_other;\n', 'no upstream of this configuration'],
  ])('%s does not pass, though nginx would take it', async (_what, map, problem) => {
    const at = await files(VALUES, map);
    const result = await runCommand(['nginx', 'check', '--map', at.map, '--values', at.values]);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain(problem);
  });

  test('what only nginx can know is told in its words, without the scratch folder', async () => {
    const values = {
      ...VALUES,
      tls: { certificate: '/nonexistent/c.pem', key: '/nonexistent/k.pem' },
    };
    const at = await files(values);
    const result = await runCommand(['nginx', 'check', '--map', at.map, '--values', at.values]);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain('/nonexistent/c.pem');
    expect(result.stderr).not.toContain('oc-nginx-');
  });

  test('a thousand instances of the longest names pass', async () => {
    const line = (_: unknown, at: number) =>
      `oc-${'x'.repeat(57)}-${1_000 + at}  10.0.0.1:${at + 1};\n`;
    const at = await files(VALUES, Array.from({ length: 1_000 }, line).join(''));
    expect(
      await runCommand(['nginx', 'check', '--map', at.map, '--values', at.values]),
    ).toMatchObject({
      code: 0,
      stderr: '',
    });
  });

  test('of a file that is no map at all it does not print every line', async () => {
    const at = await files(VALUES);
    await writeFile(at.map, 'no map\n'.repeat(1_000));
    const { code, stderr } = await runCommand(['nginx', 'check', '--map', at.map]);
    expect(code).toBe(1);
    expect(stderr.trim().split('\n').at(-1)).toBe('and 980 more');
  });

  test('an nginx that is named and not there is an error', async () => {
    const at = await files(VALUES);
    const result = await runCommand(['nginx', 'check', '--map', at.map], {
      env: { OC_NGINX: '/nonexistent/nginx' },
    });
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain('OC_NGINX names /nonexistent/nginx');
  });

  test.each([
    [['nginx', 'check'], '--map'],
    [['nginx', 'render'], '--values'],
    [['nginx', 'chekc'], 'unknown command'],
    [['nginx', 'check', '--map', '/nonexistent'], '/nonexistent'],
  ])('%j says what is wrong', async (args, problem) => {
    const result = await runCommand(args);
    expect([1, 2]).toContain(result.code);
    expect(result.stderr).toContain(problem);
  });
});
