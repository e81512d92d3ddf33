/** TLS at the front: what a browser meets, and what a stranger does not. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { edgeFront, header, nginxFront, ORIGIN, startChain, urlPath } from './chain.ts';

const TLS = {
  certificate: join(import.meta.dirname, 'tls', 'cert.pem'),
  key: join(import.meta.dirname, 'tls', 'key.pem'),
};
const ca = await readFile(TLS.certificate);

describe.each([
  ['nginx', nginxFront],
  ['edge', edgeFront],
] as const)('%s with TLS', (_name, start) => {
  test('serves sockets and pages, and tells the gateway so', async () => {
    const chain = await startChain(start, { values: { tls: TLS, serverNames: 'localhost' } });
    const { port } = chain.front;
    const socket = new WebSocket(`wss://localhost:${port}${urlPath()}`, {
      ca,
      headers: { Origin: ORIGIN },
    });
    onTestFinished(() => socket.terminate());
    expect(String((await once(socket, 'message'))[0])).toBe('hello');
    expect(header(chain.gateway.upgrades[0], 'X-Forwarded-Proto')).toBe('https');
    const [response] = await once(
      get({ host: 'localhost', port, ca, path: '/portal/chat/' }),
      'response',
    );
    expect(response.statusCode).toBe(200);
    response.resume();
  });
});

describe('nginx with TLS', () => {
  async function startTls() {
    return startChain(nginxFront, { values: { tls: TLS, serverNames: 'localhost' } });
  }

  function shake(port: number, options: object): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', ca, servername: 'localhost', ...options });
      onTestFinished(() => void socket.destroy());
      socket.once('secureConnect', () => resolve(`${socket.getProtocol()} ${socket.alpnProtocol}`));
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  }

  test('speaks TLS 1.2 and 1.3 and nothing older, HTTP/1.1 and HTTP/2', async () => {
    const { front } = await startTls();
    expect(await shake(front.port, { ALPNProtocols: ['h2', 'http/1.1'] })).toBe('TLSv1.3 h2');
    expect(await shake(front.port, { ALPNProtocols: ['http/1.1'], maxVersion: 'TLSv1.2' })).toBe(
      'TLSv1.2 http/1.1',
    );
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    expect(await shake(front.port, old)).toMatch(/^E/);
  });

  test('shows no certificate to who asks for another name', async () => {
    const { front } = await startTls();
    expect(await shake(front.port, { servername: 'elsewhere.example' })).toMatch(/^E/);
  });

  test('answers nothing on a connection for one name that asks for another', async () => {
    const { front } = await startTls();
    const asked = get({
      host: '127.0.0.1',
      port: front.port,
      ca,
      servername: 'localhost',
      path: '/portal/chat/',
      headers: { Host: 'elsewhere.example' },
    });
    const [response] = await once(asked, 'response');
    expect(response.statusCode).toBe(421);
    response.resume();
  });

  test.each([
    ['/portal/chat/', 200, 502],
    ['/api/v1/me/instances', 200, 503],
  ])('tells browsers of %s to stay with TLS, also while the portal is down', async (...given) => {
    const [path, ...statuses] = given;
    const { front, portal } = await startTls();
    for (const status of statuses) {
      const asked = get({ host: 'localhost', port: front.port, ca, path });
      const [response] = await once(asked, 'response');
      expect(response.statusCode).toBe(status);
      expect(response.headers['strict-transport-security']).toMatch(/^max-age=\d{8}/);
      response.resume();
      await portal.stop();
    }
  });
});
