import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { loadConfig } from '../../../gateway/config/load.ts';
import { directoryWith, lines, load, loadValid } from './files.ts';

describe('$include', () => {
  it('takes the place of the object that it stands in', () => {
    const loaded = loadValid(
      { logging: { $include: './parts/logging.json5' } },
      { files: { 'parts/logging.json5': "{ level: 'debug' } // JSON5 too" } },
    );
    expect(loaded.config.logging.level).toBe('debug');
  });

  it('merges files in order: objects deeply, lists end to end, other values by the later one', () => {
    const files = {
      'a.json': { port: 1, trustedProxies: ['10.0.0.1'], limits: { tickIntervalMs: 1000 } },
      'b.json': { port: 2, trustedProxies: ['10.0.0.2'], limits: { connectTimeoutMs: 2000 } },
    };
    const { config } = loadValid({ gateway: { $include: ['a.json', 'b.json'] } }, { files });
    expect(config.gateway).toMatchObject({
      port: 2,
      trustedProxies: ['10.0.0.1', '10.0.0.2'],
      limits: { tickIntervalMs: 1000, connectTimeoutMs: 2000 },
    });
  });

  it('lets the keys beside it win, wherever they stand', () => {
    const files = { 'base.json': { gateway: { port: 1, shutdown: { graceSeconds: 5 } } } };
    const { config } = loadValid('{ gateway: { port: 3 }, $include: "base.json" }', { files });
    expect(config.gateway).toMatchObject({ port: 3, shutdown: { graceSeconds: 5 } });
  });

  it('can stand for a list', () => {
    const files = { 'proxies.json': ['10.0.0.1', '10.0.0.2'] };
    const content = { gateway: { trustedProxies: { $include: 'proxies.json' } } };
    const { config } = loadValid(content, { files });
    expect(config.gateway.trustedProxies).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  it('is relative to the file that it stands in, and names every file that was read', () => {
    const files = {
      'agents/all.json': { entries: { $include: ['./one.json', '../two.json'] } },
      'agents/one.json': { one: {} },
      'two.json': { two: {} },
    };
    const loaded = loadValid({ agents: { $include: 'agents/all.json' } }, { files });
    expect(Object.keys(loaded.config.agents.entries)).toEqual(['one', 'two']);
    const { source } = loaded;
    if (source.kind !== 'file') throw new Error('expected a file');
    const directory = join(source.path, '..');
    expect(source.files.map((file) => file.slice(directory.length + 1))).toEqual([
      'openclaw.json',
      'agents/all.json',
      'agents/one.json',
      'two.json',
    ]);
  });

  it('replaces variables in included files, and env.vars may come from one', () => {
    const files = {
      'env.json': { vars: { LEVEL: 'warn' } },
      'logging.json': { level: '${LEVEL}' },
    };
    const content = { env: { $include: 'env.json' }, logging: { $include: 'logging.json' } };
    expect(loadValid(content, { files }).config.logging.level).toBe('warn');
  });

  it('may read one file in two places', () => {
    const files = { 'agent.json': { name: 'Same' } };
    const entries = { a: { $include: 'agent.json' }, b: { $include: 'agent.json' } };
    const { config } = loadValid({ agents: { entries } }, { files });
    expect([config.agents.entries['a']?.name, config.agents.entries['b']?.name]).toEqual([
      'Same',
      'Same',
    ]);
  });

  it('reports mistakes where they stand, in each file, all at once', () => {
    const files = { 'parts/a.json': '{\n  port: "x",\n  prot: 1,\n}', 'parts/b.json': '{ level: ' };
    const result = load(
      '{ gateway: { $include: "parts/a.json" }, logging: { $include: "parts/b.json" }, foo: 1 }',
      { files },
    );
    expect(lines(result).filter((line) => !line.includes('warning'))).toEqual([
      expect.stringMatching(/^openclaw\.json:1:81: foo: unknown key "foo"/),
      expect.stringMatching(/^parts\/a\.json:2:3: gateway\.port: "x" is not a whole number/),
      expect.stringMatching(/^parts\/a\.json:3:3: gateway\.prot: unknown key "prot"; did you mean/),
      expect.stringMatching(/^parts\/b\.json:1:9: \(file\): this is not JSON5: the text ends too/),
    ]);
  });

  test.each<
    [name: string, content: unknown, files: Readonly<Record<string, unknown>>, expected: string]
  >([
    [
      'a missing file',
      '{ gateway: { $include: "gone.json" } }',
      {},
      'openclaw.json:1:24: gateway.$include: cannot include "gone.json": there is no such file',
    ],
    [
      'a number',
      { gateway: { $include: 5 } },
      {},
      'gateway.$include: must be a path; write a path or a list of paths',
    ],
    ['an empty path', { gateway: { $include: [''] } }, {}, 'gateway.$include: must be a path'],
    [
      'a file above',
      { $include: '../secret.json' },
      {},
      "$include: the file lies outside of the configuration's directory",
    ],
    ['an absolute path elsewhere', { $include: '/etc/passwd' }, {}, 'the file lies outside'],
    [
      'keys beside a list',
      { gateway: { $include: 'list.json', port: 1 } },
      { 'list.json': [] },
      'gateway.$include: keys stand beside an include that is no object',
    ],
    [
      'itself',
      { $include: 'openclaw.json' },
      {},
      'files include each other in a circle: openclaw.json -> openclaw.json',
    ],
    [
      'a circle',
      { $include: 'a.json' },
      { 'a.json': { $include: 'b.json' }, 'b.json': { $include: 'a.json' } },
      'b.json:1:13: $include: files include each other in a circle: openclaw.json -> a.json -> b.json -> a.json',
    ],
  ])('refuses %s', (_, content, files, expected) => {
    const result = load(content, { files });
    expect(result.ok).toBe(false);
    expect(lines(result).join('\n')).toContain(expected);
  });

  it('goes 10 files deep and no further', () => {
    const chain = (length: number) =>
      Object.fromEntries(
        Array.from({ length }, (_, i) => [
          `${i}.json`,
          i === length - 1 ? { logging: { level: 'debug' } } : { $include: `${i + 1}.json` },
        ]),
      );
    const content = { $include: '0.json' };
    expect(loadValid(content, { files: chain(10) }).config.logging.level).toBe('debug');
    expect(lines(load(content, { files: chain(11) })).join()).toContain('more than 10 deep');
  });

  it('does not explode when files include each other many times', () => {
    const names = Array.from({ length: 9 }, (_, i) => `${i}.json`);
    const files = Object.fromEntries(
      names.map((name, i) => [name, { $include: Array(20).fill(names[i + 1] ?? 'last.json') }]),
    );
    const result = load({ $include: '0.json' }, { files: { ...files, 'last.json': {} } });
    expect(lines(result).join()).toContain('more than 256 files');
  });

  it('does not follow a link out of the directory, unless OPENCLAW_INCLUDE_ROOTS allows it', () => {
    const outside = directoryWith({ 'shared.json': { logging: { level: 'debug' } } });
    const directory = directoryWith({ 'openclaw.json': { $include: 'link.json' } });
    symlinkSync(join(outside, 'shared.json'), join(directory, 'link.json'));
    const path = join(directory, 'openclaw.json');
    expect(lines(loadConfig({ path, env: {} })).join()).toContain('the file lies outside');
    const env = { OPENCLAW_INCLUDE_ROOTS: `relative:${outside}` };
    expect(loadConfig({ path, env })).toMatchObject({ config: { logging: { level: 'debug' } } });
  });

  it('works where the directory itself is a link', () => {
    const real = directoryWith({
      'openclaw.json': { $include: 'part.json' },
      'part.json': { logging: { level: 'debug' } },
    });
    const elsewhere = directoryWith();
    mkdirSync(join(elsewhere, 'etc'));
    symlinkSync(real, join(elsewhere, 'etc', 'gateway'));
    const path = join(elsewhere, 'etc', 'gateway', 'openclaw.json');
    expect(loadConfig({ path, env: {} })).toMatchObject({
      config: { logging: { level: 'debug' } },
    });
    writeFileSync(join(real, 'openclaw.json'), '{ $include: "gone.json" }');
    expect(lines(loadConfig({ path, env: {} })).join()).toContain('there is no such file');
  });
});
