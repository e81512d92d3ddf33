/** Clients that keep to no rules: raw bytes on a socket, and addresses that are none. */

import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ask, servePortal, type TestPortal } from './support/portal.ts';

const ORIGIN = 'https://app.example.com';

function openSocket(portal: TestPortal, bytes: string) {
  const socket = connect(Number(new URL(portal.url).port), '127.0.0.1', () => socket.write(bytes));
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** All that comes until the portal closes. */
function sendBytes(portal: TestPortal, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = openSocket(portal, bytes);
    socket.on('data', (chunk) => {
      answer += String(chunk);
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('bytes that are no request', () => {
  test.each([
    ['no HTTP', 'HELO portal\r\n\r\n', 400, 'bad_request'],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
      'bad_request',
    ],
    [
      'a head without end',
      `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(20_000)}\r\n\r\n`,
      413,
      'payload_too_large',
    ],
  ])('%s is told in the form of all errors', async (_name, bytes, status, code) => {
    const portal = await servePortal();
    const answer = await sendBytes(portal, bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    const { error } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
    expect(error).toEqual({
      code,
      message: expect.any(String),
      message_zh: expect.stringMatching(/\p{Script=Han}/u),
    });
  });
});

test('a request that never ends does not hold up a stop', async () => {
  const portal = await servePortal();
  const head = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  const socket = openSocket(portal, `${head}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n`);
  // The portal has the head when it asks for the rest.
  await new Promise((resolve) => socket.once('data', resolve));
  socket.write('{"user');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => {});
  await portal.stop();
  await closed;
  await expect(fetch(`${portal.url}/healthz`)).rejects.toThrow('fetch failed');
});

describe('what is not there', () => {
  test.each([
    ['POST', '/api/v1/auth/nothing', 404],
    ['GET', '/api/v1/auth/login', 405],
    ['DELETE', '/api/v1/me/instances', 405],
  ])(
    '%s %s is not kept by caches, and a page of another host may read it',
    async (method, path, status) => {
      const portal = await servePortal({ allowedOrigins: [ORIGIN] });
      const answer = await ask(`${portal.url}${path}`, { method, headers: { origin: ORIGIN } });
      expect(answer.status).toBe(status);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    },
  );

  test.each(['null', 'https://app.example.com.evil.example', undefined])(
    'a preflight of %s gives nothing away, and nothing that is no row of the table',
    async (origin) => {
      const portal = await servePortal({ allowedOrigins: [ORIGIN] });
      const answer = await ask(`${portal.url}/api/v1/auth/login`, {
        method: 'OPTIONS',
        headers: { ...(origin !== undefined && { origin }) },
      });
      expect([answer.status, answer.text]).toEqual([204, '']);
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    },
  );
});
