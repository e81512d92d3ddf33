/** Frames and bytes that are no requests: each ends in a documented error or close code, and nobody else notices. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectClient, connectParams, openClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';
import { undisturbed } from '../support/neighbour.ts';
import { clientFrame, openRaw, type RawPeer, upgradeRequest } from '../support/raw.ts';
import { startOpenAiUpstream, type Upstream } from '../support/upstream/openai.ts';

const MAX_PAYLOAD = 256 * 1024;
const PRE_CONNECT = 64 * 1024;

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  gateway = await shareGateway({
    config: testConfig({
      upstream: upstream.url,
      gateway: {
        limits: {
          maxPayloadBytes: MAX_PAYLOAD,
          preConnectBytes: PRE_CONNECT,
          // A flood is to meet the turns that sockets take, and not its own pace.
          requestsPerSecond: 0,
        },
      },
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const user = () => `mallory-${crypto.randomUUID()}`;
const open = () => openClient({ port: gateway.port, user: user() });
const connect = () => connectClient({ port: gateway.port, user: user() });
const meanwhile = (misbehave: () => Promise<void>) =>
  undisturbed({ port: gateway.port, upstream }, misbehave);

/** A valid `connect` frame of exactly so many bytes. */
function paddedConnect(bytes: number): string {
  const frame = (pad: number) =>
    JSON.stringify({
      type: 'req',
      id: 'c',
      method: 'connect',
      params: { ...connectParams(), pad: 'x'.repeat(pad) },
    });
  return frame(bytes - frame(0).length);
}

const NOT_JSON = 'invalid request frame: not JSON';
const NOT_OBJECT = 'invalid request frame: must be object';
const BAD_TYPE = "invalid request frame: type must be 'req'";
const BAD_ID = 'invalid request frame: id must be a string of 1 to 256 characters';
const BAD_METHOD = 'invalid request frame: method must be a string of 1 to 128 characters';

/** Name, frame, the `id` and the `message` of the error that answers it. */
const MALFORMED: [name: string, frame: string, id: string, message: string][] = [
  ['not JSON', 'hello?', 'invalid', NOT_JSON],
  ['nothing', '', 'invalid', NOT_JSON],
  ['half of a request', '{"type":"req","id":"1"', 'invalid', NOT_JSON],
  ['a NUL', '\0', 'invalid', NOT_JSON],
  ['null', 'null', 'invalid', NOT_OBJECT],
  ['a number', '42', 'invalid', NOT_OBJECT],
  ['a list', '[{"type":"req","id":"1","method":"health"}]', 'invalid', NOT_OBJECT],
  ['an empty object', '{}', 'invalid', BAD_ID],
  ['a request whose id is a number', '{"type":"req","id":1,"method":"health"}', 'invalid', BAD_ID],
  [
    'a request whose id is endless',
    `{"type":"req","id":"${'i'.repeat(257)}","method":"health"}`,
    'invalid',
    BAD_ID,
  ],
  ['an event', '{"type":"event","id":"1","event":"chat","payload":{}}', '1', BAD_TYPE],
  ['a response', '{"type":"res","id":"1","ok":true}', '1', BAD_TYPE],
  ['a request without a method', '{"type":"req","id":"1"}', '1', BAD_METHOD],
  [
    'a request whose method is endless',
    `{"type":"req","id":"1","method":"${'m'.repeat(129)}"}`,
    '1',
    BAD_METHOD,
  ],
  [
    'a request whose params are a list',
    '{"type":"req","id":"1","method":"health","params":[]}',
    '1',
    'invalid request frame: params must be object',
  ],
  [
    'ten thousand levels of nesting',
    `{"type":"req","id":"1","method":"health","params":${'['.repeat(10_000)}`,
    'invalid',
    'invalid request frame: nested deeper than 64 levels',
  ],
];

describe('before connect', () => {
  test.each(MALFORMED)('%s is answered, then the socket closed', async (_, frame, id, message) => {
    await meanwhile(async () => {
      const client = await open();
      client.sendRaw(frame);
      const answer = await client.frame((each) => each.type === 'res');
      expect(answer).toEqual({
        type: 'res',
        id,
        ok: false,
        error: { code: 'INVALID_REQUEST', message },
      });
      expect(await client.closed).toEqual({ code: 1008, reason: 'invalid request frame' });
    });
  });

  test.each([
    ['a binary frame', Buffer.from('{}'), 1003, 'binary frames are not supported'],
    ['a frame of one byte too many', paddedConnect(PRE_CONNECT + 1), 1009, 'frame too large'],
    ['a frame of 1 MiB', 'x'.repeat(1024 * 1024), 1009, 'frame too large'],
  ])('%s closes the socket', async (_, frame, code, reason) => {
    await meanwhile(async () => {
      const client = await open();
      client.sendRaw(frame);
      expect(await client.closed).toEqual({ code, reason });
    });
  });

  test('a frame of just as many bytes as may be is read', async () => {
    const client = await open();
    client.sendRaw(paddedConnect(PRE_CONNECT));
    expect(await client.frame((each) => each.id === 'c')).toMatchObject({ ok: true });
  });

  test('what is sent behind a request that is refused is not read', async () => {
    const client = await open();
    client.sendRaw('{"type":"req","id":"1","method":"health"}');
    client.sendRaw(paddedConnect(1000));
    await client.closed;
    expect(client.frames.map((frame) => frame.id ?? frame.event)).toEqual([
      'connect.challenge',
      '1',
    ]);
  });
});

describe('after connect', () => {
  test.each(MALFORMED)('%s is answered, and the socket stays', async (_, frame, id, message) => {
    await meanwhile(async () => {
      const client = await connect();
      client.sendRaw(frame);
      const answer = await client.frame((each) => each.id === id);
      expect(answer.error).toEqual({ code: 'INVALID_REQUEST', message });
      expect(await client.request('health')).toMatchObject({ ok: true });
    });
  });

  test('ten malformed frames are borne, one more is not', async () => {
    await meanwhile(async () => {
      const client = await connect();
      for (let count = 0; count < 10; count += 1) client.sendRaw('?');
      expect(await client.request('health')).toMatchObject({ ok: true });
      client.sendRaw('?');
      expect(await client.closed).toEqual({ code: 1008, reason: 'invalid request frame' });
    });
  });

  test.each([
    ['a binary frame', Buffer.from('{}'), 1003, 'binary frames are not supported'],
    ['a frame of one byte too many', 'x'.repeat(MAX_PAYLOAD + 1), 1009, 'frame too large'],
    ['a frame of 2 MiB', 'x'.repeat(2 * 1024 * 1024), 1009, 'frame too large'],
    ['a frame beyond all bounds', 'x'.repeat(4 * 1024 * 1024), 1006, ''],
  ])('%s closes the socket', async (_, frame, code, reason) => {
    await meanwhile(async () => {
      const client = await connect();
      // The gateway may cut the connection while the frame is still being written.
      client.socket.on('error', () => {});
      client.sendRaw(frame);
      expect(await client.closed).toEqual({ code, reason });
    });
  });

  test('an unknown method is named, and the socket stays', async () => {
    const client = await connect();
    for (const method of [
      'no.such.method',
      'constructor',
      '__proto__',
      'chat.send ',
      'CHAT.SEND',
    ]) {
      const { error } = await client.ask(method);
      expect(error).toEqual({ code: 'INVALID_REQUEST', message: `unknown method: ${method}` });
    }
    expect(await client.request('health')).toMatchObject({ ok: true });
  });

  test('fields that nobody knows are ignored', async () => {
    const client = await connect();
    client.sendRaw(
      '{"type":"req","id":"x","method":"chat.history","future":1,"params":{"sessionKey":"main","future":{"a":[1]},"__proto__":{"limit":"x"}}}',
    );
    expect(await client.frame((each) => each.id === 'x')).toMatchObject({ ok: true });
  });
});

describe('bytes that no WebSocket library sends', () => {
  const connectFrame = clientFrame(paddedConnect(600));

  /** A WebSocket that is open and has been challenged. */
  async function upgraded(): Promise<RawPeer> {
    const peer = await openRaw(gateway.port);
    peer.send(upgradeRequest('mallory'));
    await peer.until('connect.challenge');
    return peer;
  }

  test.each<[string, string | Uint8Array]>([
    ['garbage', Buffer.from('00ff10deadbeef0d0a0d0a', 'hex')],
    ['a TLS handshake', Buffer.from('16030100c8010000c40303', 'hex')],
    ['an endless path', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: h\r\n\r\n`],
    ['endless headers', upgradeRequest('m', [`X-Long: ${'a'.repeat(20_000)}`])],
    [
      'a thousand headers',
      upgradeRequest(
        'm',
        Array.from({ length: 1000 }, (_, n) => `X-${n}: y`),
      ),
    ],
    ['HTTP/1.0', 'GET /healthz HTTP/1.0\r\n\r\n'],
  ])('%s instead of an upgrade: the connection ends with an HTTP error', async (_, bytes) => {
    await meanwhile(async () => {
      const peer = await openRaw(gateway.port);
      peer.send(bytes);
      expect(await peer.ended).toMatch(/^HTTP\/1\.1 (431|505) /);
    });
  });

  test.each<[string, Uint8Array]>([
    ['invalid UTF-8', clientFrame(Buffer.from('fffe', 'hex'))],
    ['reserved bits', clientFrame('{}', 0xf1)],
    ['an unknown opcode', clientFrame('{}', 0x83)],
    ['an endless ping', clientFrame('p'.repeat(200), 0x89)],
    ['the end of a message without its beginning', clientFrame('{}', 0x80)],
    ['a frame of 2^56 bytes', Buffer.from('81ff010000000000000000000000', 'hex')],
  ])('%s: the connection ends', async (_, bytes) => {
    await meanwhile(async () => {
      const peer = await upgraded();
      peer.send(bytes);
      expect(await peer.ended).not.toContain('hello-ok');
    });
  });

  test.each<[string, string | Uint8Array]>([
    ['nothing', ''],
    ['half a request line', 'GET / HT'],
    ['half an upgrade', upgradeRequest('m').slice(0, 150)],
    ['an upgrade', upgradeRequest('m')],
    [
      'an upgrade and half a frame',
      Buffer.concat([Buffer.from(upgradeRequest('m')), connectFrame.subarray(0, 100)]),
    ],
  ])('%s, and an abrupt end', async (_, bytes) => {
    await meanwhile(async () => {
      const peer = await openRaw(gateway.port);
      peer.send(bytes);
      peer.leave();
      expect(await peer.ended).not.toContain('"ok":false');
    });
  });

  test.each<[string, Uint8Array]>([
    ['half a frame', connectFrame.subarray(0, 100)],
    ['a handshake', connectFrame],
  ])('an open socket, %s, and an abrupt end', async (_, bytes) => {
    await meanwhile(async () => {
      const peer = await upgraded();
      peer.send(bytes);
      peer.leave();
      expect(await peer.ended).not.toContain('"ok":false');
    });
  });

  test('an upgrade line by line, bytes one by one, fragments: all are read as if they came at once', async () => {
    const peer = await openRaw(gateway.port);
    // A whole line is the least that the HTTP parser takes at first; more is never cut by a proxy.
    for (const line of upgradeRequest('slow').split('\r\n').slice(0, -1)) peer.send(`${line}\r\n`);
    await peer.until('connect.challenge');
    for (const byte of connectFrame) peer.send(Buffer.from([byte]));
    await peer.until('hello-ok');
    const request = JSON.stringify({ type: 'req', id: 'pieces', method: 'health' });
    peer.send(clientFrame(request.slice(0, 20), 0x01));
    peer.send(clientFrame('', 0x89));
    peer.send(clientFrame(request.slice(20), 0x80));
    expect(await peer.until('"id":"pieces"')).toContain('"ok":true');
  });
});

test('a flood of requests is answered to the last, and a neighbour is served in between', async () => {
  await meanwhile(async () => {
    const client = await connect();
    const asked = Array.from({ length: 2_000 }, () => client.ask('sessions.list', { limit: 1 }));
    const other = await connect();
    expect(await other.request('health')).toMatchObject({ ok: true });
    const answers = await Promise.all(asked);
    expect(answers.every((answer) => answer.ok)).toBe(true);
  });
});
