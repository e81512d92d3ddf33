import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configCheck, configSchema } from '../../../gateway/cli/config.ts';
import { clean, directoryWith } from './files.ts';

function io(env: Readonly<Record<string, string>> = {}) {
  const written = { stdout: '', stderr: '' };
  return {
    written,
    env,
    stdout: { write: (text: string) => (written.stdout += text) },
    stderr: { write: (text: string) => (written.stderr += text) },
  };
}

function check(content: unknown, env: Readonly<Record<string, string>> = {}) {
  const directory = directoryWith({ 'openclaw.json': content });
  const process = io(env);
  const code = configCheck(process, { configPath: join(directory, 'openclaw.json') });
  expect(process.written.stderr).toBe('');
  return { code, lines: process.written.stdout.replaceAll(`${directory}/`, '').split('\n') };
}

describe('config check', () => {
  it('says ok, and exits with 0', () => {
    expect(check(clean)).toEqual({ code: 0, lines: ['openclaw.json: ok', ''] });
  });

  it('prints every problem on a line of its own, and exits with 1', () => {
    const { code, lines } = check(
      `{\n  gatway: {},\n  logging: { level: 'loud' },\n  channels: {},\n}`,
    );
    expect(code).toBe(1);
    expect(lines).toEqual([
      'openclaw.json:2:3: gatway: unknown key "gatway"; did you mean "gateway"?',
      'openclaw.json:3:14: logging.level: "loud" is not one of silent, fatal, error, warn, info, debug, trace; write one of them',
      'openclaw.json:4:3: channels: not served by this gateway, so it has no effect; leave it or remove it',
      'openclaw.json: 2 errors',
      '',
    ]);
  });

  it('exits with 0 after warnings and ignored keys', () => {
    const { code, lines } = check({ ...clean, agents: {}, channels: {} });
    expect(code).toBe(0);
    expect(lines).toEqual([
      expect.stringContaining('agents.defaults.model: warning: no model is configured'),
      expect.stringContaining('channels: not served by this gateway'),
      'openclaw.json: ok, 1 warning',
      '',
    ]);
  });

  it('finds a bad OPENCLAW_GATEWAY_PORT, which serve would refuse too', () => {
    expect(check(clean, { OPENCLAW_GATEWAY_PORT: 'http' })).toEqual({
      code: 1,
      lines: [
        'OPENCLAW_GATEWAY_PORT: "http" is not a port; give a whole number from 0 to 65535; 0 picks a free port',
        'openclaw.json: 1 error',
        '',
      ],
    });
  });

  it('checks the built-in demonstration where there is no file', () => {
    const process = io({ OPENCLAW_STATE_DIR: directoryWith() });
    expect(configCheck(process, {})).toBe(0);
    expect(process.written.stdout).toMatch(/^built-in demonstration \(.*\): ok\n$/);
  });
});

describe('config schema', () => {
  it('prints a JSON Schema', () => {
    const process = io();
    expect(configSchema(process)).toBe(0);
    expect(JSON.parse(process.written.stdout)).toMatchObject({
      $schema: 'http://json-schema.org/draft-07/schema#',
      properties: { gateway: { properties: { port: { default: 18_789 } } } },
    });
  });
});
