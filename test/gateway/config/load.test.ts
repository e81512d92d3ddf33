import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../gateway/config/load.ts';
import { formatProblem } from '../../../gateway/config/problem.ts';
import { clean, directoryWith, lines, loadValid } from './files.ts';

const EXAMPLE = new URL('../../../openclaw.json.example', import.meta.url);

describe('a valid file', () => {
  it('loads the configuration that operators run today, as it stands', () => {
    const loaded = loadValid(`
      { "gateway": { "auth": { "mode": "trusted-proxy", "trustedProxy": { "userHeader": "X-User-ID" } },
          "trustedProxies": ["35.243.76.69"],
          "controlUi": { "allowedOrigins": ["https://app.sayclaw.ai", "https://m.sayclaw.ai"],
                         "dangerouslyDisableDeviceAuth": true } } }`);
    expect(loaded.config.gateway).toMatchObject({
      port: 18_789,
      trustedProxies: ['35.243.76.69'],
      auth: {
        mode: 'trusted-proxy',
        trustedProxy: { userHeader: 'X-User-ID', allowLoopback: false },
      },
      controlUi: { allowedOrigins: ['https://app.sayclaw.ai', 'https://m.sayclaw.ai'] },
    });
    expect(lines(loaded)).toEqual([expect.stringContaining('agents.defaults.model: warning:')]);
  });

  it('loads the example for production without a remark', () => {
    const directory = directoryWith({ 'openclaw.json': readFileSync(EXAMPLE, 'utf8') });
    const env = { GATEWAY_SECRET: 'g', ONE_API_KEY: 'k' };
    const loaded = loadConfig({ env, path: join(directory, 'openclaw.json') });
    expect(lines(loaded)).toEqual([]);
    expect(loaded.ok && loaded.config.models.providers['oneapi']?.apiKey).toBe('k');
  });

  it('fills in every default of an empty file', () => {
    const { config } = loadValid('{}');
    expect(config).toEqual({
      gateway: {
        port: 18_789,
        workers: 1,
        mode: 'local',
        auth: {
          mode: 'trusted-proxy',
          trustedProxy: {
            userHeader: 'X-User-ID',
            instanceHeader: 'X-Instance-ID',
            sessionKeyHeader: 'X-Session-Key',
            requiredHeaders: [],
            allowUsers: [],
            allowLoopback: false,
          },
          identityScopes: {},
        },
        trustedProxies: [],
        allowRealIpFallback: false,
        controlUi: { allowedOrigins: [], dangerouslyDisableDeviceAuth: false },
        limits: {
          connectTimeoutMs: 15_000,
          preConnectBytes: 65_536,
          maxPayloadBytes: 10_485_760,
          maxBufferedBytes: 8_388_608,
          tickIntervalMs: 30_000,
          maxQueuedRunsPerSession: 20,
          maxConcurrentRuns: 1000,
          maxSockets: 20_000,
          maxSocketsPerUser: 50,
          maxSocketsPerAddress: 20,
          maxPendingSockets: 5_000,
          requestsPerSecond: 100,
          sendsPerMinute: 120,
          maxAnswerChars: 1_000_000,
          maxRunsPerUser: 10,
          maxStoredBytesPerUser: 1_073_741_824,
        },
        streaming: { checkpointMs: 250 },
        storage: {},
        shutdown: { graceSeconds: 10, spreadSeconds: 5 },
      },
      agents: {
        defaults: {
          systemPrompt: '',
          timeoutSeconds: 600,
          mediaMaxMb: 5,
          thinkingDefault: 'off',
          reasoningDefault: 'off',
        },
        entries: {},
      },
      models: { mode: 'merge', providers: {} },
      session: { mainKey: 'main', maintenance: { mode: 'enforce' } },
      env: { vars: {} },
      logging: { level: 'info' },
    });
  });

  it('is frozen, and a name chosen by a client finds nothing in its maps', () => {
    const { config } = loadValid({
      ...clean,
      gateway: { ...clean.gateway, instances: { a: 'main' } },
    });
    expect(Object.isFrozen(config.gateway.controlUi.allowedOrigins)).toBe(true);
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      expect(config.gateway.instances?.[name]).toBeUndefined();
      expect(config.gateway.auth.identityScopes[name]).toBeUndefined();
      expect(config.agents.entries[name]).toBeUndefined();
    }
  });

  it('takes a key named __proto__ for what it is', () => {
    const { config } = loadValid(
      `{ gateway: { auth: { identityScopes: { __proto__: ['operator.admin'] } } } }`,
    );
    expect(Object.keys(config.gateway.auth.identityScopes)).toEqual(['__proto__']);
    expect(config.gateway.auth.identityScopes['bob']).toBeUndefined();
  });

  it('accepts either form of a model and a $schema', () => {
    const model = { primary: 'oneapi/gpt', fallbacks: ['oneapi/vendor/other'] };
    const { config } = loadValid({
      ...clean,
      $schema: './schema.json',
      agents: { defaults: { model } },
    });
    expect(config.agents.defaults.model).toEqual(model);
  });
});

describe('where the configuration is found', () => {
  const portOf = (options: Parameters<typeof loadConfig>[0]) => {
    const loaded = loadConfig(options);
    return loaded.ok ? loaded.config.gateway.port : lines(loaded);
  };

  it('takes the named file, then OPENCLAW_CONFIG_PATH, then the state directory', () => {
    const directory = directoryWith({
      'named.json': { gateway: { port: 1 } },
      'variable.json': { gateway: { port: 2 } },
      'state/openclaw.json': { gateway: { port: 3 } },
      'home/.openclaw/openclaw.json': { gateway: { port: 4 } },
    });
    const HOME = join(directory, 'home');
    const OPENCLAW_STATE_DIR = join(directory, 'state');
    const OPENCLAW_CONFIG_PATH = join(directory, 'variable.json');
    const path = join(directory, 'named.json');
    expect(portOf({ path, env: { OPENCLAW_CONFIG_PATH, OPENCLAW_STATE_DIR, HOME } })).toBe(1);
    expect(portOf({ env: { OPENCLAW_CONFIG_PATH, OPENCLAW_STATE_DIR, HOME } })).toBe(2);
    expect(portOf({ env: { OPENCLAW_STATE_DIR, HOME } })).toBe(3);
    expect(portOf({ env: { HOME } })).toBe(4);
  });

  it.each(['path', 'variable'])('refuses a missing file that was named by %s', (by) => {
    const missing = join(directoryWith(), 'missing.json');
    const result = loadConfig(
      by === 'path' ? { path: missing, env: {} } : { env: { OPENCLAW_CONFIG_PATH: missing } },
    );
    expect(lines(result)).toEqual([
      'missing.json:1:1: (file): there is no such file; create it, or correct the name',
    ]);
  });

  it('refuses a file in the state directory that leads nowhere, instead of demonstrating', () => {
    const directory = directoryWith();
    symlinkSync('gone', join(directory, 'openclaw.json'));
    const result = loadConfig({ env: { OPENCLAW_STATE_DIR: directory } });
    expect(lines(result).join()).toContain('there is no such file');
  });

  it('refuses a directory', () => {
    const result = loadConfig({ path: directoryWith(), env: {} });
    expect(lines(result).join()).toContain('it is not a file');
  });
});

describe('the built-in demonstration', () => {
  const builtIn = (env: Readonly<Record<string, string>> = {}) =>
    loadConfig({ env: { OPENCLAW_STATE_DIR: directoryWith(), ...env } });

  it('serves loopback with a provider that is named as a demo, without a remark', () => {
    const loaded = builtIn();
    expect(lines(loaded)).toEqual([]);
    expect(loaded).toMatchObject({
      ok: true,
      source: { kind: 'built-in' },
      config: {
        gateway: {
          bind: 'loopback',
          trustedProxies: ['127.0.0.1', '::1'],
          auth: { trustedProxy: { allowLoopback: true } },
        },
        agents: { defaults: { model: 'demo/demo' } },
        models: { providers: { demo: { api: 'demo' } } },
      },
    });
  });

  it('uses One-API if its address and key are both set', () => {
    const env = { ONE_API_BASE_URL: 'https://one-api.example.com', ONE_API_KEY: 'k' };
    expect(builtIn(env)).toMatchObject({
      config: {
        agents: { defaults: { model: 'oneapi/gpt-4o-mini' } },
        models: { providers: { oneapi: { api: 'openai-completions', apiKey: 'k' } } },
      },
    });
    expect(builtIn({ ...env, ONE_API_MODEL: 'vendor/big' })).toMatchObject({
      config: { agents: { defaults: { model: 'oneapi/vendor/big' } } },
    });
  });

  it.each([
    ['ONE_API_BASE_URL', 'ONE_API_KEY'],
    ['ONE_API_KEY', 'ONE_API_BASE_URL'],
  ])('says so if only %s is set', (present, absent) => {
    const loaded = builtIn({ [present]: 'https://one-api.example.com' });
    expect(loaded.ok && loaded.config.agents.defaults.model).toBe('demo/demo');
    expect(loaded.warnings.map(formatProblem)).toEqual([
      `${present}: warning: it is set and ${absent} is not, so that the built-in demo answers; set ${absent} too`,
    ]);
  });

  it('names the variable that holds a bad address', () => {
    const result = builtIn({ ONE_API_BASE_URL: 'one-api', ONE_API_KEY: 'sk-secret' });
    expect(lines(result)).toContainEqual(expect.stringMatching(/^ONE_API_BASE_URL: /));
    expect(lines(result).join()).not.toContain('sk-secret');
  });
});
