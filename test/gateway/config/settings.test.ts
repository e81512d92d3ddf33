import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { formatProblem } from '../../../gateway/config/problem.ts';
import {
  agentIds,
  defaultAgentId,
  listenAddress,
  listenPort,
  modelChain,
  splitModelRef,
  stateDirectory,
  storagePath,
} from '../../../gateway/config/settings.ts';
import { loadValid } from './files.ts';

const configOf = (content: unknown) => loadValid(content).config;

describe('listenAddress', () => {
  test.each<[name: string, gateway: object, host: string, reason: string]>([
    ['no proxy', {}, '127.0.0.1', 'no proxy on another machine'],
    [
      'a proxy on this machine',
      { trustedProxies: ['127.0.0.1', '::1'] },
      '127.0.0.1',
      'no proxy on another',
    ],
    [
      'a proxy elsewhere',
      { trustedProxies: ['127.0.0.1', '10.0.0.1'] },
      '0.0.0.0',
      'a proxy on another machine',
    ],
    [
      'a mapped proxy elsewhere',
      { trustedProxies: ['::ffff:10.0.0.1'] },
      '0.0.0.0',
      'a proxy on another machine',
    ],
    [
      'an IPv6 proxy elsewhere',
      { trustedProxies: ['10.0.0.1', 'fd00::/8'] },
      '::',
      'a proxy on another machine',
    ],
    [
      'auto',
      { bind: 'auto', trustedProxies: ['10.0.0.1'] },
      '0.0.0.0',
      'a proxy on another machine',
    ],
    ['loopback', { bind: 'loopback', trustedProxies: ['10.0.0.1'] }, '127.0.0.1', '"loopback"'],
    ['lan', { bind: 'lan' }, '0.0.0.0', '"lan"'],
    ['custom', { bind: 'custom', customBindHost: '10.1.2.3' }, '10.1.2.3', '"custom"'],
  ])('%s', (_, gateway, host, reason) => {
    const address = listenAddress(configOf({ gateway }));
    expect(address.host).toBe(host);
    expect(address.reason).toContain(reason);
  });
});

describe('listenPort', () => {
  test.each<[name: string, flag: string | undefined, variable: string | undefined, port: number]>([
    ['flag before variable', '1', '2', 1],
    ['variable before key', undefined, '2', 2],
    ['key', undefined, undefined, 4000],
    ['an empty variable counts as unset', undefined, '', 4000],
    ['0 asks for any free port', '0', undefined, 0],
    ['the highest port', '65535', undefined, 65_535],
    ['a bad variable behind a flag', '1', 'x', 1],
  ])('%s', (_, flag, variable, port) => {
    const config = configOf({ gateway: { port: 4000 } });
    expect(listenPort(config, { OPENCLAW_GATEWAY_PORT: variable }, flag)).toMatchObject({ port });
  });

  it('is 18789 by default', () => {
    expect(listenPort(configOf({}), {})).toMatchObject({ ok: true, port: 18_789 });
  });

  it.each(['x', '-1', '65536', '1.5', ' 1', '0x10', '99999999999'])('refuses %j', (text) => {
    const config = configOf({});
    const byFlag = listenPort(config, {}, text);
    const byVariable = listenPort(config, { OPENCLAW_GATEWAY_PORT: text });
    if (byFlag.ok || byVariable.ok) throw new Error('expected problems');
    expect(formatProblem(byFlag.problem)).toMatch(
      /^--port: ".*" is not a port; give a whole number/,
    );
    expect(formatProblem(byVariable.problem)).toMatch(/^OPENCLAW_GATEWAY_PORT: ".*" is not a port/);
  });
});

describe('paths', () => {
  const HOME = join('/', 'home', 'anna');

  it('puts the state into OPENCLAW_STATE_DIR, else into ~/.openclaw', () => {
    expect(stateDirectory({ HOME })).toBe(join(HOME, '.openclaw'));
    expect(stateDirectory({ HOME, OPENCLAW_STATE_DIR: '~/state' })).toBe(join(HOME, 'state'));
    expect(stateDirectory({ HOME, OPENCLAW_STATE_DIR: join('/', 'srv') })).toBe(join('/', 'srv'));
  });

  test.each([
    [undefined, join(HOME, '.openclaw', 'oc-gateway.sqlite')],
    ['sessions.sqlite', join(HOME, '.openclaw', 'sessions.sqlite')],
    ['~/sessions.sqlite', join(HOME, 'sessions.sqlite')],
    [join('/', 'srv', 's.sqlite'), join('/', 'srv', 's.sqlite')],
  ])('storage.path %j', (path, expected) => {
    const config = configOf({ gateway: { storage: path === undefined ? {} : { path } } });
    expect(storagePath(config, { HOME })).toBe(expected);
  });
});

describe('agents', () => {
  it('has one agent, main, where none is configured', () => {
    expect([agentIds(configOf({})), defaultAgentId(configOf({}))]).toEqual([['main'], 'main']);
  });

  it('takes the marked agent as default, else the first', () => {
    expect(defaultAgentId(configOf({ agents: { entries: { b: {}, a: {} } } }))).toBe('b');
    expect(defaultAgentId(configOf({ agents: { entries: { b: {}, a: { default: true } } } }))).toBe(
      'a',
    );
  });

  it("takes an agent's own chain as a whole, else the default one", () => {
    const config = configOf({
      agents: {
        defaults: { model: { primary: 'demo/a', fallbacks: ['demo/b'] } },
        entries: { own: { model: 'demo/c' }, other: {} },
      },
      models: { providers: { demo: { api: 'demo' } } },
    });
    expect(modelChain(config, 'own')).toEqual(['demo/c']);
    expect(modelChain(config, 'other')).toEqual(['demo/a', 'demo/b']);
    expect(modelChain(configOf({}), 'main')).toEqual([]);
  });

  it('splits a model at its first slash', () => {
    expect(splitModelRef('oneapi/vendor/x')).toEqual({ provider: 'oneapi', model: 'vendor/x' });
  });
});
