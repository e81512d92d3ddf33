/**
 * Connections that never become a WebSocket, and WebSockets whose frames no library would send: each is bounded by
 * itself, and nobody else notices.
 */

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connectClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway, startGateway } from '../support/gateway.ts';
import { undisturbed } from '../support/neighbour.ts';
import { clientFrame, openRaw, type RawPeer, upgradeRequest } from '../support/raw.ts';
import { startOpenAiUpstream, type Upstream } from '../support/upstream/openai.ts';

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  gateway = await shareGateway({
    config: testConfig({
      upstream: upstream.url,
      gateway: {
        limits: { connectTimeoutMs: 1_000, maxPayloadBytes: 65_536 },
      },
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const meanwhile = (misbehave: () => Promise<void>) =>
  undisturbed({ port: gateway.port, upstream }, misbehave);

async function upgraded(): Promise<RawPeer> {
  const peer = await openRaw(gateway.port);
  peer.send(upgradeRequest('mallory'));
  await peer.until('connect.challenge');
  return peer;
}

describe('a connection that never asks for a WebSocket is ended, however busy it keeps', () => {
  /** Sends a piece each second for as long as the connection lives. */
  function drip(peer: RawPeer, piece: string): void {
    const timer = setInterval(() => peer.send(piece), 1_000);
    void peer.ended.then(() => clearInterval(timer));
  }

  // At once, since each takes the ten seconds that the library gives.
  test('silent, header by header, body by body, or done with its request', async () => {
    await meanwhile(async () => {
      const peers = await Promise.all([1, 2, 3, 4].map(() => openRaw(gateway.port)));
      const [, headers, body, done] = peers;
      headers?.send('GET / HTTP/1.1\r\n');
      if (headers) drip(headers, 'X-More: of it\r\n');
      body?.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n');
      if (body) drip(body, 'x');
      done?.send('GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n');
      const ends = await Promise.all(peers.map((peer) => peer.ended));
      expect(ends.map((end) => end.slice(0, 12))).toEqual(['', '', 'HTTP/1.1 404', 'HTTP/1.1 200']);
    });
  });

  test('and by the hundred, past the proxy, they do not keep the proxy out', async () => {
    const { port } = await startGateway({
      config: testConfig({ gateway: { limits: { maxPendingSockets: 20 } } }),
    });
    // What has become a WebSocket counts no more.
    for (let n = 0; n < 30; n += 1) await connectClient({ port });
    let open = 0;
    // Not one of `trustedProxies`.
    const strangers = Array.from({ length: 200 }, () => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.9' });
      onTestFinished(() => void socket.destroy());
      socket.on('error', () => {});
      socket.once('connect', () => {
        open += 1;
        socket.once('close', () => (open -= 1));
      });
      return socket;
    });
    await expect.poll(() => open, { timeout: 30_000 }).toBe(20);
    const client = await connectClient({ port, user: 'bob' });
    expect(await client.request('health')).toMatchObject({ ok: true });
    for (const socket of strangers) socket.destroy();
    // Their places are free again.
    await expect
      .poll(() => fromAddress(port, '127.0.0.9'), { timeout: 30_000 })
      .toContain('200 OK');
  });
});

/** What a stranger hears who asks for nothing but the gateway's health. */
async function fromAddress(port: number, address: string): Promise<string> {
  const peer = await openRaw(port, address);
  peer.send('GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
  return peer.until('"ok":true').catch(String);
}

describe('an upgrade', () => {
  test.each([
    ['without a key', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n', ''],
    ['with a key that is too short', 'dGhlIHNhbXBsZSBub25jZQ==', 'c2hvcnQ='],
    ['with a key that is too long', 'dGhlIHNhbXBsZSBub25jZQ==', 'A'.repeat(64)],
  ])('%s is none', async (_, from, to) => {
    await meanwhile(async () => {
      const peer = await openRaw(gateway.port);
      peer.send(upgradeRequest('mallory').replace(from, to));
      const answer = await peer.until('\r\n\r\n');
      expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    });
  });
});

test('compression is not negotiated, though it is offered', async () => {
  const peer = await openRaw(gateway.port);
  peer.send(upgradeRequest('alice', ['Sec-WebSocket-Extensions: permessage-deflate']));
  const answer = await peer.until('connect.challenge');
  expect(answer).toMatch(/^HTTP\/1\.1 101 /);
  expect(answer.toLowerCase()).not.toContain('permessage-deflate');
});

const close = (...payload: number[]) => clientFrame(Uint8Array.from(payload), 0x88);
const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

describe('frames', () => {
  test.each<[string, Uint8Array]>([
    ['without a mask', bytes('8102 7b7d')],
    ['with each of the reserved bits', clientFrame('{}', 0x91)],
    ['that are continued before they began', clientFrame('{}', 0x00)],
    [
      'that begin in the midst of another',
      Buffer.concat([clientFrame('{', 0x01), clientFrame('}')]),
    ],
    ['of control in pieces', clientFrame('p', 0x09)],
    ['of control that are too long', clientFrame('p'.repeat(126), 0x89)],
    ['of control with an unknown code', clientFrame('p', 0x8b)],
    ['of 2^63 bytes', bytes('81ff ffffffffffffffff 00000000')],
    ['of 3 MiB', bytes('81ff 0000000000300000 00000000')],
    ['of text that is no UTF-8', clientFrame(bytes('c328'))],
    ['of text that is cut inside a character', clientFrame(bytes('7be282'))],
    ['of text with a surrogate', clientFrame(bytes('eda080'))],
    ['that close with no valid code: 999', close(0x03, 0xe7)],
    ['that close with no valid code: 1005', close(0x03, 0xed)],
    ['that close with no valid code: 65535', close(0xff, 0xff)],
    ['that close with half a code', close(0x03)],
    ['that close with a reason that is no UTF-8', close(0x03, 0xe8, 0xff, 0xfe)],
    ['that close as they should', close(0x03, 0xe8)],
  ])('%s end the connection, and answer nothing', async (_, frame) => {
    await meanwhile(async () => {
      const peer = await upgraded();
      peer.send(frame);
      expect(await peer.ended).not.toContain('"type":"res"');
    });
  });

  test('of one message without an end are ended with it', async () => {
    await meanwhile(async () => {
      const peer = await upgraded();
      peer.send(clientFrame('{', 0x01));
      // More than `maxPayloadBytes` and the headroom above it.
      for (let n = 0; n < 60; n += 1) peer.send(clientFrame(' '.repeat(60_000), 0x00));
      expect(await peer.ended).not.toContain('"type":"res"');
    });
  });

  test('that ask for answers which nobody reads are ended before those fill the memory', async () => {
    const patient = await startGateway({
      config: testConfig({
        upstream: upstream.url,
        gateway: { limits: { connectTimeoutMs: 60_000, maxBufferedBytes: 65_536 } },
      }),
    });
    await undisturbed({ port: patient.port, upstream }, async () => {
      const socket = connect({ port: patient.port, host: '127.0.0.1' });
      onTestFinished(() => void socket.destroy());
      socket.on('error', () => {});
      socket.write(upgradeRequest('flood'));
      // What comes in one piece with an upgrade is not read.
      await once(socket, 'data');
      socket.pause();
      const pings = Buffer.concat(
        Array.from({ length: 1_000 }, () => clientFrame('p'.repeat(125), 0x89)),
      );
      // The kernel holds some megabytes for a peer that does not read; what is beyond waits in the gateway.
      const pour = () => {
        if (!socket.destroyed) socket.write(pings, () => setImmediate(pour));
      };
      pour();
      expect(await patient.logged('ping_flood')).toBeDefined();
    });
  });
});
