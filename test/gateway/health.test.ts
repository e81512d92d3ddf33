/** What answers over plain HTTP on the gateway's port: two health paths and nothing else. */

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connectClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway, startGateway } from '../support/gateway.ts';
import { openRaw, upgradeRequest } from '../support/raw.ts';
import { events, gate, role, startOpenAiUpstream, text } from '../support/upstream/openai.ts';

let gateway: SharedGateway;

beforeAll(async () => {
  gateway = await shareGateway({ config: testConfig() });
});
afterAll(() => gateway.stop());

const ask = (path: string, { port }: { port: number } = gateway) =>
  fetch(`http://127.0.0.1:${port}${path}`);

describe('a gateway that serves', () => {
  test.each([
    ['/healthz', { ok: true }],
    ['/readyz', { ready: true }],
  ])('%s answers 200', async (path, body) => {
    const response = await ask(path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toEqual(body);
  });

  test('answers health to peers that are no proxy: a load balancer asks from anywhere', async () => {
    const peer = await openRaw(gateway.port, '127.0.0.2');
    peer.send('GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n');
    expect(await peer.until('}')).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  test.each([
    ['GET', '/'],
    ['GET', '/index.html'],
    ['GET', '/healthz/'],
    ['GET', '/healthz/../readyz'],
    ['GET', '/metrics'],
    ['GET', '/%2e%2e/etc/passwd'],
    ['POST', '/healthz'],
    ['PUT', '/readyz'],
    ['DELETE', '/'],
    ['OPTIONS', '/healthz'],
  ])('%s %s answers 404', async (method, path) => {
    const peer = await openRaw(gateway.port);
    peer.send(`${method} ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n`);
    const answer = await peer.until('}');
    expect(answer).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
    expect(answer).toMatch(/\r\n\r\n\{"error":"not found"\}$/);
  });

  test.each(['/healthz', '/readyz'])(
    'HEAD %s answers as GET does, without a body',
    async (path) => {
      const peer = await openRaw(gateway.port);
      peer.send(`HEAD ${path} HTTP/1.1\r\nHost: h\r\n\r\n`);
      expect(await peer.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK\r\n[^{]*$/);
      peer.send('GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n');
      expect(await peer.until('}')).toMatch(/\r\n\r\nHTTP\/1\.1 404 Not Found\r\n/);
    },
  );

  test('answers HEAD without a body, so that the next answer is not taken for one', async () => {
    const peer = await openRaw(gateway.port);
    peer.send('HEAD / HTTP/1.1\r\nHost: h\r\n\r\n');
    await peer.until('\r\n\r\n');
    peer.send('GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n');
    const both = await peer.until('{"ok":true}');
    expect(both).toMatch(/^HTTP\/1\.1 404 Not Found\r\n[^{]*\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  });

  test('an upgrade that is none answers 404', async () => {
    const peer = await openRaw(gateway.port);
    peer.send(upgradeRequest('alice').replace(/Sec-WebSocket-Key: \S+/, 'Sec-WebSocket-Key: x'));
    expect(await peer.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 404 /);
  });
});

test('a gateway that drains is alive but not ready, and lets nobody new in', async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  upstream.script(events(role(), text('unfinished'), gate().promise));
  const shutdown = { graceSeconds: 60 };
  const config = testConfig({ upstream: upstream.url, gateway: { shutdown } });
  const draining = await startGateway({ config });
  const client = await connectClient({ port: draining.port });
  await client.request('chat.send', { sessionKey: 'main', message: 'x', idempotencyKey: 'k' });
  await client.event('chat', (each) => each.state === 'delta');

  draining.signal('SIGTERM');
  await client.event('shutdown');

  expect((await ask('/healthz', draining)).status).toBe(200);
  const ready = await ask('/readyz', draining);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toEqual({ ready: false });
  await expect(connectClient({ port: draining.port })).rejects.toThrow('503');
});
