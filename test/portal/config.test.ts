/** portal.json: what is wrong with it is said at once, by key, with what to do. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadPortalConfig } from '../../portal/config.ts';
import { portalConfig, temporaryFolder } from './support/portal.ts';

async function load(config: object | string, env: Record<string, string> = {}) {
  const folder = await temporaryFolder();
  const path = join(folder, 'portal.json');
  await writeFile(path, typeof config === 'string' ? config : JSON.stringify(config));
  return { folder, loaded: loadPortalConfig({ path, env }) };
}

async function problems(config: object | string, env?: Record<string, string>) {
  const { loaded } = await load(config, env);
  return loaded.ok ? [] : loaded.problems.map(({ key, message }) => `${key}: ${message}`);
}

describe('a configuration', () => {
  test('with the four keys that are needed gets defaults for the rest; paths are its own', async () => {
    const { folder, loaded } = await load(portalConfig({ listen: undefined, pageDir: 'page' }));
    expect(loaded).toMatchObject({
      ok: true,
      config: {
        listen: { host: '127.0.0.1', port: 18_800 },
        database: join(folder, 'portal.db'),
        pageDir: join(folder, 'page'),
        allowedOrigins: [],
        gateways: [],
        tokens: { accessSeconds: 900, webchatSeconds: 60, reuseSeconds: 3 },
        logging: { level: 'info' },
      },
    });
  });

  test('takes secrets from the environment, and names those that are not there', async () => {
    const config = portalConfig({
      jwtSecret: '${JWT}',
      gateways: [{ adminUrl: 'http://127.0.0.1:1', token: '${ADMIN}' }],
    });
    const { loaded } = await load(config, { JWT: 'j'.repeat(32), ADMIN: 'a' });
    expect(loaded.ok && [loaded.config.jwtSecret, loaded.config.gateways[0]?.token]).toEqual([
      'j'.repeat(32),
      'a',
    ]);
    expect(await problems(config)).toEqual([
      'jwtSecret: the environment has no JWT; set it',
      'gateways[0].token: the environment has no ADMIN; set it',
    ]);
  });

  test('reports every problem at once, and no value', async () => {
    const found = await problems({
      jwtSecret: 'short-and-secret',
      publicWsBase: 'wss://api.example.com/oc-ws',
      lisen: {},
      listen: { port: 70_000 },
      allowedOrigins: ['*', 'https://app.example.com/'],
      connectSrc: ["https://x.example; script-src 'unsafe-inline'"],
      trustedProxies: ['10.0.0.0/40'],
      gateways: [{ adminUrl: 'http://127.0.0.1:1/path' }],
    });
    expect(found.toSorted()).toEqual([
      'allowedOrigins[0]: write an origin, such as "https://app.example.com", without a path',
      'allowedOrigins[1]: write an origin, such as "https://app.example.com", without a path',
      'connectSrc[0]: write an http, https, ws or wss origin, such as "wss://api.example.com"',
      'database: it is missing; set it',
      'gateways[0].adminUrl: write an http:// or https:// address without a path, such as "http://127.0.0.1:18811"',
      'gateways[0].token: it is missing; set it',
      'internalSecret: it is missing; set it',
      'jwtSecret: it is too short; at least 32 characters are needed',
      'lisen: there is no such key; remove it or correct its name',
      'listen.port: it must be <= 65535',
      'publicWsBase: write a wss:// (or ws://) address that ends in "/", such as "wss://api.example.com/oc-ws/"',
      'trustedProxies[0]: write an IP address or a CIDR range',
    ]);
  });

  test.each([
    'wss://api.example.com/oc-ws/?a=/',
    'https://api.example.com/oc-ws/',
    'wss://user:pw@api.example.com/',
    'wss://api.example.com/a b/',
    'wss://api.example.com/../',
  ])('publicWsBase %j is refused', async (publicWsBase) => {
    expect(await problems(portalConfig({ publicWsBase }))).toHaveLength(1);
  });

  test('that is no JSON says where, and quotes nothing of it', async () => {
    const [problem] = await problems('{\n  "jwtSecret": "hidden-value",,\n}');
    expect(problem).toContain('it is not JSON');
    expect(problem).not.toContain('hidden');
    expect(await problems('[]')).toHaveLength(1);
  });

  test('that is not there says how to name one', () => {
    const loaded = loadPortalConfig({ path: '/nowhere/portal.json', env: {} });
    expect(!loaded.ok && loaded.problems[0]?.message).toContain('--config');
  });
});
