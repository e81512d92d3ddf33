/** Bytes over plain TCP, for what no WebSocket or HTTP library would send. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { onTestFinished } from 'vitest';
import { ORIGIN } from './client.ts';

export interface RawPeer {
  send(bytes: string | Uint8Array): void;
  /** Sends nothing more, as a client that went away in the middle. */
  leave(): void;
  /** All that came, once `text` is in it; rejects if the connection ends before. */
  until(text: string): Promise<string>;
  /** All that came, once the gateway has ended the connection. */
  readonly ended: Promise<string>;
}

/** Any address of 127.0.0.0/8 may be `from`: to the gateway it is another machine. */
export async function openRaw(port: number, from = '127.0.0.1'): Promise<RawPeer> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  onTestFinished(() => void socket.destroy());
  let received = '';
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of waiting) look();
  };
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => {
    received += String(chunk);
    wake();
  });
  // A reset is an end like any other; `close` follows it.
  socket.on('error', () => {});
  const ended = new Promise<string>((resolve) => {
    socket.once('close', () => {
      resolve(received);
      wake();
    });
  });
  await once(socket, 'connect');
  return {
    send: (bytes) => void socket.write(bytes),
    leave: () => void socket.destroy(),
    until: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (received.includes(text)) resolve(received);
          else if (socket.destroyed) reject(new Error(`ended after: ${received}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    ended,
  };
}

/** An upgrade as nginx would forward it, with `more` header lines at its end. */
export function upgradeRequest(user: string, more: readonly string[] = []): string {
  return [
    'GET / HTTP/1.1',
    'Host: gateway.example',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    `Origin: ${ORIGIN}`,
    `X-User-ID: ${user}`,
    ...more,
    '',
    '',
  ].join('\r\n');
}

/** A frame as a client sends it (RFC 6455, 5.2); masked with zeros, so that its bytes are the payload's. */
export function clientFrame(payload: string | Uint8Array, firstByte = 0x81): Buffer {
  const bytes = Buffer.from(payload);
  const header =
    bytes.length < 126 ? [0x80 | bytes.length] : [0xfe, bytes.length >> 8, bytes.length & 0xff];
  return Buffer.concat([Buffer.from([firstByte, ...header]), Buffer.alloc(4), bytes]);
}
