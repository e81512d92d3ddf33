import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { clean, lines, load, loadValid } from './files.ts';

describe('errors', () => {
  it('are all reported at once, in reading order, with their positions', () => {
    const result = load(`{
  gateway: {
    port: '18789',
    bind: 'lann',
    trustedProxies: ['10.0.0.0/33'],
    auht: {},
  },
  agents: { defaults: { model: 'oneapj/gpt' } },
  models: { providers: { oneapi: { baseUrl: 'https://one-api.example.com', apiKey: '\${UNSET}' } } },
}`);
    expect(lines(result)).toEqual([
      'openclaw.json:3:5: gateway.port: "18789" is not a whole number; write a whole number from 0 to 65535, without quotes',
      'openclaw.json:4:5: gateway.bind: "lann" is not one of auto, lan, loopback, custom; did you mean "lan"?',
      'openclaw.json:5:22: gateway.trustedProxies[0]: "10.0.0.0/33" is no IP address and no network; write an address such as "10.0.0.7" or a network such as "10.0.0.0/24"; host names are not looked up',
      'openclaw.json:6:5: gateway.auht: unknown key "auht"; did you mean "auth"?',
      'openclaw.json:8:25: agents.defaults.model: no provider "oneapj" is configured; did you mean "oneapi"?',
      "openclaw.json:9:76: models.providers.oneapi.apiKey: the environment variable UNSET is not set or empty; set UNSET for the gateway's process, or give it a value in env.vars",
    ]);
  });

  test.each<[name: string, content: unknown, expected: string]>([
    ['a file that is no object', '[]', '(file): a list is not an object'],
    ['null', '{ gateway: null }', 'gateway: null is not an object'],
    ['NaN', '{ gateway: { port: NaN } }', 'gateway.port: NaN is not a whole number'],
    ['a fraction', { gateway: { port: 1.5 } }, 'gateway.port: 1.5 is not a whole number'],
    [
      'a number out of range',
      { gateway: { port: 65_536 } },
      'gateway.port: 65536 is out of range; write a whole number from 0 to 65535',
    ],
    ['a negative port', { gateway: { port: -1 } }, 'gateway.port: -1 is out of range'],
    [
      'token authentication',
      { gateway: { auth: { mode: 'token' } } },
      'gateway.auth.mode: Authentication by a shared token is not served: this gateway serves many users behind a reverse proxy',
    ],
    [
      'no authentication',
      { gateway: { auth: { mode: 'none' } } },
      'gateway.auth.mode: A gateway without authentication is not served',
    ],
    [
      'a remote gateway',
      { gateway: { mode: 'remote' } },
      'gateway.mode: a gateway that only forwards',
    ],
    [
      'tailnet',
      { gateway: { bind: 'tailnet' } },
      'write "custom" and put the tailnet address into gateway.customBindHost',
    ],
    [
      'custom without its address',
      { gateway: { bind: 'custom' } },
      'gateway.bind: "custom" needs the address',
    ],
    [
      'a host name to bind',
      { gateway: { bind: 'custom', customBindHost: 'gw.example.com' } },
      'gateway.customBindHost: "gw.example.com" is no IP address',
    ],
    [
      'an underscore in a header',
      { gateway: { auth: { trustedProxy: { userHeader: 'X_User_ID' } } } },
      'userHeader: "X_User_ID" is not valid here; write a header name',
    ],
    [
      'one header for two things',
      { gateway: { auth: { trustedProxy: { userHeader: 'x-instance-id' } } } },
      'gateway.auth.trustedProxy.instanceHeader: "X-Instance-ID" is the header of userHeader too',
    ],
    [
      'a header that browsers set',
      { gateway: { auth: { trustedProxy: { userHeader: 'Origin' } } } },
      'gateway.auth.trustedProxy.userHeader: "Origin" is a header that browsers and proxies set by themselves',
    ],
    [
      'a header that proxies set',
      { gateway: { auth: { trustedProxy: { instanceHeader: 'x-forwarded-FOR' } } } },
      'gateway.auth.trustedProxy.instanceHeader: "x-forwarded-FOR" is a header that',
    ],
    [
      'a header of the WebSocket protocol',
      {
        gateway: {
          auth: { trustedProxy: { secret: { header: 'Sec-WebSocket-Key', value: 'x' } } },
        },
      },
      'gateway.auth.trustedProxy.secret.header: "Sec-WebSocket-Key" is a header that',
    ],
    [
      'a short token where other machines may try to guess it',
      { gateway: { admin: { host: '0.0.0.0', port: 1, token: 'short' } } },
      'gateway.admin.token: it is shorter than 32 characters',
    ],
    [
      'an admin port that the sockets have',
      { gateway: { port: 700, admin: { port: 700, token: 't' } } },
      "gateway.admin.port: it is a port of the gateway's own: 700 is for sockets (gateway.port, gateway.workers); choose another one, such as 18811",
    ],
    [
      'an admin port that a worker has',
      { gateway: { workers: 4, admin: { port: 18_792, token: 't' } } },
      "gateway.admin.port: it is a port of the gateway's own: 18789 to 18792 are for sockets",
    ],
    [
      'an admin listener without a token',
      { gateway: { admin: { port: 1 } } },
      'gateway.admin.token: this key is missing',
    ],
    [
      'an admin token that no header can carry',
      { gateway: { admin: { port: 1, token: 'two words' } } },
      'gateway.admin.token:',
    ],
    [
      'a secret without a header',
      { gateway: { auth: { trustedProxy: { secret: { value: 'x' } } } } },
      'secret.header: this key is missing',
    ],
    [
      'the origin *',
      { gateway: { controlUi: { allowedOrigins: ['*'] } } },
      'would let every web page on the internet connect',
    ],
    [
      'an origin with a slash',
      { gateway: { controlUi: { allowedOrigins: ['https://a.example/'] } } },
      'write "https://a.example"',
    ],
    [
      'an origin with a path',
      { gateway: { controlUi: { allowedOrigins: ['https://a.example:8443/chat'] } } },
      'write "https://a.example:8443"',
    ],
    [
      'an origin with its default port',
      { gateway: { controlUi: { allowedOrigins: ['https://a.example:443'] } } },
      'write "https://a.example"',
    ],
    [
      'an origin without a scheme',
      { gateway: { controlUi: { allowedOrigins: ['a.example'] } } },
      '"a.example" is no origin',
    ],
    [
      'a name as proxy',
      { gateway: { trustedProxies: ['proxy.example.com'] } },
      'host names are not looked up',
    ],
    [
      'a short IPv4 address',
      { gateway: { trustedProxies: ['127.1'] } },
      '"127.1" is no IP address',
    ],
    [
      'an agent that does not exist',
      { gateway: { instances: { i: 'mian' } } },
      'gateway.instances.i: no agent "mian" is configured; did you mean "main"?',
    ],
    [
      'an agent id in upper case',
      { agents: { entries: { Main: {} } } },
      'agents.entries.Main: "Main" is not valid here; write an agent id',
    ],
    [
      'two default agents',
      { agents: { entries: { a: { default: true }, b: { default: true } } } },
      'agents.entries.b.default: two agents are the default: "a" and "b"',
    ],
    [
      'a model without a provider',
      { agents: { defaults: { model: 'gpt' } } },
      'agents.defaults.model: "gpt" is not valid here; write a model as "provider/model"',
    ],
    [
      'a fallback of an unknown provider',
      {
        agents: { defaults: { model: { primary: 'a/b', fallbacks: ['c/d'] } } },
        models: { providers: { a: { api: 'demo' } } },
      },
      'agents.defaults.model.fallbacks[0]: no provider "c" is configured; add models.providers.c',
    ],
    [
      'a provider without an address',
      { models: { providers: { a: {} } } },
      'models.providers.a.baseUrl: this key is missing',
    ],
    [
      'an address with a password',
      { models: { providers: { a: { baseUrl: 'https://u:p@a.example' } } } },
      'put the key into apiKey',
    ],
    [
      'an API that is not served',
      { models: { providers: { a: { baseUrl: 'https://a.example', api: 'github-copilot' } } } },
      'the API "github-copilot" of OpenClaw is not served',
    ],
    [
      'a model listed twice',
      { models: { providers: { a: { api: 'demo', models: [{ id: 'x' }, { id: 'x' }] } } } },
      'models.providers.a.models[1].id: the model "x" is listed a second time',
    ],
    [
      'a model without an id',
      { models: { providers: { a: { api: 'demo', models: [{ name: 'x' }] } } } },
      'models.providers.a.models[0].id: this key is missing',
    ],
    [
      'a list instead of a word',
      { logging: { level: ['info'] } },
      'logging.level: a list is not a string',
    ],
    [
      'agents as a list',
      { agents: { list: [] } },
      'agents.list: unknown key "list"; write the agents as agents.entries',
    ],
    [
      'a variable beside env.vars',
      { env: { KEY: 'x' } },
      'env.KEY: unknown key "KEY"; move it into env.vars',
    ],
    [
      'the start of a key',
      { gateway: { limits: { maxPayload: 1 } } },
      'did you mean "maxPayloadBytes"?',
    ],
    [
      'a key in another case',
      { Gateway: {} },
      'Gateway: unknown key "Gateway"; did you mean "gateway"?',
    ],
    [
      'a key like no other',
      { session: { xyzzy: 1 } },
      'session.xyzzy: unknown key "xyzzy"; remove it; keys here: mainKey',
    ],
  ])('%s', (_, content, expected) => {
    const result = load(content);
    expect(result.ok).toBe(false);
    expect(lines(result).join('\n')).toContain(expected);
  });

  it('stay on one line, whatever the file holds', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.string({ unit: 'binary' }),
        (key, value) => {
          const result = load({ [key]: value, gateway: { [key]: value, trustedProxies: [value] } });
          for (const line of lines(result)) expect(line).not.toMatch(/[\n\r\u2028\u2029]/);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('keys that this gateway does not serve', () => {
  it('load, have no effect and are listed once', () => {
    const loaded = loadValid({
      ...clean,
      channels: { telegram: { botToken: '${TELEGRAM_TOKEN}' } },
      session: { maintenance: { mode: 'warn', maxDiskBytes: '1gb' }, scope: 'per-sender' },
      models: {
        providers: {
          oneapi: {
            baseUrl: 'https://one-api.example.com',
            auth: 'api-key',
            models: [
              { id: 'gpt', cost: { input: 1 } },
              { id: 'gpt-2', cost: { input: 1 } },
            ],
          },
        },
      },
    });
    expect(loaded.ignored.map(({ path }) => path)).toEqual([
      'models.providers.oneapi.auth',
      'models.providers.oneapi.models[].cost',
      'channels',
      'session.maintenance.maxDiskBytes',
      'session.scope',
    ]);
    expect(loaded.config).not.toHaveProperty('channels');
    expect(loaded.warnings).toEqual([]);
  });
});

describe('warnings', () => {
  test.each<[name: string, gateway: object, expected: string | undefined]>([
    ['nothing to say', {}, undefined],
    ['no proxy', { trustedProxies: [] }, 'gateway.trustedProxies: warning: no proxy is trusted'],
    [
      'every address',
      { trustedProxies: ['0.0.0.0/0'] },
      'gateway.trustedProxies[0]: warning: every address is trusted',
    ],
    ['every mapped address', { trustedProxies: ['::ffff:0.0.0.0/96'] }, 'every address is trusted'],
    [
      'no origin',
      { controlUi: {} },
      'gateway.controlUi.allowedOrigins: warning: no origin is allowed',
    ],
    [
      'bound to loopback, remote proxy',
      { bind: 'loopback' },
      'gateway.bind: warning: the gateway listens on loopback only',
    ],
    [
      'bound to a loopback address, remote proxy',
      { bind: 'custom', customBindHost: '127.0.0.1' },
      'listens on loopback only',
    ],
    [
      'bound to loopback, one remote proxy of two',
      {
        bind: 'loopback',
        trustedProxies: ['127.0.0.1', '203.0.113.10'],
        auth: { trustedProxy: { allowLoopback: true } },
      },
      'gateway.trustedProxies[1]: warning: the gateway listens on 127.0.0.1, where no connection from "203.0.113.10" can arrive; change gateway.bind',
    ],
    [
      'IPv6 loopback alone',
      { trustedProxies: ['::1'], auth: { trustedProxy: { allowLoopback: true } } },
      'gateway.trustedProxies[0]: warning: the gateway listens on 127.0.0.1, where no connection from "::1" can arrive; let the proxy connect to 127.0.0.1',
    ],
    [
      'an address of the machine, proxy on loopback',
      {
        bind: 'custom',
        customBindHost: '10.0.0.5',
        trustedProxies: ['127.0.0.1'],
        auth: { trustedProxy: { allowLoopback: true } },
      },
      'gateway.trustedProxies[0]: warning: the gateway listens on 10.0.0.5, where no connection from "127.0.0.1" can arrive; for a proxy on this machine that connects to 10.0.0.5, list "10.0.0.5"',
    ],
    [
      'all interfaces, proxies of both kinds',
      {
        trustedProxies: ['203.0.113.10', 'fd00::7', '127.0.0.1', '::1'],
        auth: { trustedProxy: { allowLoopback: true } },
      },
      undefined,
    ],
    [
      'an admin listener behind the workers',
      { workers: 4, admin: { port: 18_793, token: 'short' } },
      undefined,
    ],
    ['an admin listener on loopback', { admin: { port: 18_811, token: 'short' } }, undefined],
    [
      'loopback without allowLoopback',
      { trustedProxies: ['127.0.0.1'] },
      'gateway.trustedProxies[0]: warning: a proxy on this machine is trusted',
    ],
    [
      'IPv6 loopback without allowLoopback',
      { trustedProxies: ['203.0.113.10', '::1'] },
      'gateway.trustedProxies[1]: warning: a proxy on this machine',
    ],
    [
      'loopback with allowLoopback',
      { trustedProxies: ['127.0.0.1'], auth: { trustedProxy: { allowLoopback: true } } },
      undefined,
    ],
    [
      'no instance',
      { instances: {} },
      'gateway.instances: warning: instances are declared and there is none',
    ],
    [
      'an address without custom',
      { customBindHost: '10.0.0.5' },
      'gateway.customBindHost: warning: it has no effect',
    ],
    [
      'attachments larger than frames',
      { limits: { maxPayloadBytes: 65_536 } },
      'agents.defaults.mediaMaxMb: warning: an attachment of that size',
    ],
  ])('%s', (_, gateway, expected) => {
    const loaded = loadValid({ ...clean, gateway: { ...clean.gateway, ...gateway } });
    expect(lines(loaded)).toEqual(
      expected === undefined ? [] : [expect.stringContaining(expected)],
    );
  });

  it('names agents.defaults.model if no model is configured', () => {
    const loaded = loadValid({
      ...clean,
      agents: { entries: { a: { model: 'oneapi/x' }, b: {} } },
    });
    expect(lines(loaded)).toEqual([
      expect.stringContaining(
        'agents.defaults.model: warning: no model is configured for the agent "b"',
      ),
    ]);
  });

  it('tells of a model that its provider does not list', () => {
    const oneapi = { baseUrl: 'https://one-api.example.com', models: [{ id: 'other' }] };
    const loaded = loadValid({ ...clean, models: { providers: { oneapi } } });
    expect(lines(loaded)).toEqual([expect.stringContaining('does not list "gpt"')]);
  });
});
