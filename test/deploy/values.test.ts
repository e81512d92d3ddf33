/** The values file: no value gets into nginx's configuration as anything but a value. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderNginx } from '../../deploy/nginx/render.ts';
import { readValues } from '../../deploy/nginx/values.ts';

const GOOD = {
  serverNames: { page: ['app.example.com'], api: ['m.example.com'], socket: ['api.example.com'] },
  listen: ['443', '[::]:443', '10.0.0.1:8443'],
  tls: { certificate: '/etc/tls/fullchain.pem', key: '/etc/tls/key.pem' },
  allowedOrigins: ['https://app.example.com', 'http://localhost:5173'],
  portal: '127.0.0.1:18800',
  refusals: '[::1]:18801',
  mapFile: '/etc/nginx/oc-ws-map.conf',
  internalSecretFile: '/etc/oc/internal',
  gatewaySecret: { header: 'X-Gateway-Secret', file: '/etc/oc/gateway' },
  upstreams: { oc_pool: ['10.0.0.2:18789', '10.0.0.3:18789'] },
  limits: { handshakesPerSecond: 5, socketsPerUser: 10 },
  timeouts: { readMs: 86_400_000 },
  workers: 4,
  workerConnections: 4_096,
};

const SECRETS: Readonly<Record<string, string>> = {
  '/etc/oc/internal': 'internal-secret-0123456789\n',
  '/etc/oc/gateway': 'gateway-secret-0123456789',
};

function read(raw: unknown, env: Record<string, string> = {}) {
  return readValues(raw, {
    env,
    file: (path) => {
      const text = SECRETS[path];
      if (text === undefined) throw new Error('ENOENT');
      return text;
    },
  });
}

function problemsOf(raw: unknown, env?: Record<string, string>): string {
  const result = read(raw, env);
  return result.ok ? '' : result.problems.join('\n');
}

describe('values', () => {
  test('are read, with defaults for what is absent', () => {
    expect(read(GOOD)).toMatchObject({
      ok: true,
      values: {
        internalSecret: 'internal-secret-0123456789',
        limits: { handshakesPerSecond: 5, handshakeBurst: 50, socketsPerUser: 10 },
        timeouts: { readMs: 86_400_000, verifyMs: 3_000 },
      },
    });
    const few = { serverNames: 'chat.example.com', allowedOrigins: ['https://chat.example.com'] };
    expect(read(few, { OC_INTERNAL_SECRET: 'from-the-environment' })).toMatchObject({
      ok: true,
      values: {
        serverNames: {
          page: ['chat.example.com'],
          api: ['chat.example.com'],
          socket: ['chat.example.com'],
        },
        portal: '127.0.0.1:18800',
        internalSecret: 'from-the-environment',
        workers: 'auto',
      },
    });
  });

  test.each<[change: Record<string, unknown>, problem: string]>([
    [{ serverNmaes: 1 }, 'serverNmaes: unknown key'],
    [{ serverNames: 'a.example; return 200' }, 'host name'],
    [{ serverNames: ['A.example'] }, 'host name'],
    [{ serverNames: ['*.example.com'] }, 'host name'],
    [{ serverNames: ['https://a.example'] }, 'host name'],
    [{ serverNames: [] }, 'serverNames: must be a list'],
    [
      {
        serverNames: {
          page: ['a.example'],
          api: ['a.example', 'b.example'],
          socket: ['c.example'],
        },
      },
      'two lists that differ',
    ],
    [{ serverNames: { page: ['a.example'] } }, 'serverNames.api'],
    [{ listen: ['443 default_server'] }, 'must be "port"'],
    [{ listen: ['0'] }, 'must be "port"'],
    [{ listen: ['unix:/run/x'] }, 'must be "port"'],
    [{ tls: { certificate: '/a' } }, 'tls.key'],
    [{ tls: { certificate: 'a.pem', key: '/k' } }, 'absolute'],
    [{ tls: { certificate: '/a;b', key: '/k' } }, 'tls.certificate'],
    [{ allowedOrigins: [] }, 'allowedOrigins'],
    [{ allowedOrigins: ['https://app.example.com/'] }, 'origin as browsers send it'],
    [{ allowedOrigins: ['https://app.example.com:443'] }, 'origin as browsers send it'],
    [{ allowedOrigins: ['*'] }, 'origin as browsers send it'],
    [{ allowedOrigins: ['null'] }, 'origin as browsers send it'],
    [{ allowedOrigins: ['https://a.example', 'https://a.example'] }, 'twice'],
    [{ portal: 'portal:18800' }, 'portal: '],
    [{ portal: 'oc_pool' }, 'portal: '],
    [{ refusals: 18801 }, 'refusals: '],
    [{ mapFile: '/etc/nginx/a map' }, 'mapFile'],
    [{ mapFile: '$document_root/map' }, 'mapFile'],
    [{ internalSecretFile: '/none' }, 'cannot read'],
    [{ gatewaySecret: { header: 'X-Secret: a', file: '/etc/oc/gateway' } }, 'name of a header'],
    [{ gatewaySecret: { header: 'X-Secret' } }, 'OC_GATEWAY_SECRET'],
    [{ upstreams: { pool: ['10.0.0.2:1'] } }, 'not a usable name'],
    [{ upstreams: { oc_portal: ['10.0.0.2:1'] } }, 'not a usable name'],
    [{ upstreams: { oc_pool: ['10.0.0.2'] } }, 'upstreams.oc_pool'],
    [{ limits: { socketsPerUser: 0 } }, 'limits.socketsPerUser'],
    [{ limits: { socketsPerUser: '5; }' } }, 'limits.socketsPerUser'],
    [{ limits: { socketsPerUsr: 5 } }, 'limits.socketsPerUsr: unknown key'],
    [{ timeouts: { readMs: 1.5 } }, 'timeouts.readMs'],
    [{ timeouts: { readMs: 86_400_001 } }, 'timeouts.readMs'],
    [{ workers: 'many' }, 'workers'],
    [{ workerConnections: -1 }, 'workerConnections'],
    [{ unprivileged: 'yes' }, 'unprivileged'],
    [{ user: 'www-data; daemon off' }, 'user: '],
    [{ accessLog: '/var/log/a log' }, 'accessLog'],
    [{ errorLog: 'syslog:server=10.0.0.1' }, 'errorLog'],
  ])('%j is refused with what is wrong', (change, problem) => {
    expect(problemsOf({ ...GOOD, ...change })).toContain(problem);
  });

  test('all problems are told at once', () => {
    const result = read({ serverNames: 1, listen: 2, allowedOrigins: 3, portal: 4 });
    expect(result.ok ? [] : result.problems.length).toBeGreaterThanOrEqual(5);
  });

  test.each([null, 1, 'text', [], [GOOD]])('%j is no set of values', (raw) => {
    expect(problemsOf(raw)).toContain('one JSON object');
  });

  test('a secret is never part of a problem', () => {
    const text = problemsOf(
      { ...GOOD, internalSecretFile: undefined },
      { OC_INTERNAL_SECRET: 'my secret "; } server {' },
    );
    expect(text).toContain('OC_INTERNAL_SECRET');
    expect(text).not.toContain('my secret');
  });

  test('a secret stands in files of its own, and nowhere else', () => {
    const result = read(GOOD);
    const files = result.ok ? renderNginx(result.values) : [];
    const holding = files.filter(({ text }) => text.includes('-secret-0123456789'));
    expect(holding.map(({ path }) => path).toSorted()).toEqual([
      'oc-gateway/gateway-secret.conf',
      'oc-gateway/portal-secret.conf',
    ]);
    expect(holding.every(({ secret }) => secret)).toBe(true);
    expect(files.filter(({ secret }) => secret)).toHaveLength(2);
  });

  test('no text, wherever it stands, ends a directive or opens a block', () => {
    const skeleton = (text: string) => text.replace(/#.*/g, '').replace(/[^;{}]/g, '');
    const shapeOf = (raw: unknown) => {
      const result = read(raw);
      return result.ok ? renderNginx(result.values).map(({ text }) => skeleton(text)) : undefined;
    };
    const expected = shapeOf(GOOD);
    expect(expected).toBeDefined();
    const nasty = fc.oneof(
      fc.string(),
      fc.string({
        unit: fc.constantFrom(
          'a',
          '.',
          '/',
          ';',
          '{',
          '}',
          '"',
          "'",
          '\\',
          '$',
          '\n',
          ' ',
          '#',
          ':',
          '1',
        ),
      }),
    );
    const places: ((text: string) => object)[] = [
      (text) => ({ serverNames: { ...GOOD.serverNames, page: [text] } }),
      (text) => ({ listen: [text, '[::]:443', '10.0.0.1:8443'] }),
      (text) => ({ tls: { certificate: text, key: `/${text}` } }),
      (text) => ({ allowedOrigins: [text, `https://${text}`] }),
      (text) => ({ portal: text }),
      (text) => ({ mapFile: text }),
      (text) => ({ gatewaySecret: { header: text, file: '/etc/oc/gateway' } }),
      (text) => ({ upstreams: { [text]: [text, '10.0.0.3:18789'] } }),
      (text) => ({ workers: text }),
      (text) => ({ user: text }),
      (text) => ({ accessLog: text, errorLog: text }),
    ];
    fc.assert(
      fc.property(nasty, fc.constantFrom(...places), (text, place) => {
        const shape = shapeOf({ ...GOOD, ...place(text) });
        if (shape !== undefined) expect(shape).toEqual(expected);
      }),
      { numRuns: 3_000 },
    );
  });
});
