/** The way to the gateway: an upgrade with a list of headers of our own, and then bytes in both directions. */

import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { splitAddress } from './address.ts';

export interface TunnelOptions {
  /** `ip:port`. */
  backend: string;
  connectMs: number;
  /** Silence in both directions that ends the tunnel; also the wait for the gateway's answer. */
  readMs: number;
  /** Whom the portal named, and what else the edge itself says. */
  headers: Readonly<Record<string, string>>;
}

export type TunnelEnd =
  /** `isElsewhere`: another process of the pool may take it. */
  { readonly failed: 502 | 504; readonly isElsewhere: boolean } | { readonly failed?: undefined };

/** Of the client's own headers, these go on. */
const FORWARDED = [
  'origin',
  'user-agent',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
] as const;

const MAX_ANSWER_BYTES = 16 * 1024;

/**
 * Resolves when the tunnel is closed, or with a status if the gateway did not take the upgrade: the client's socket
 * is then untouched, so that the refusal can be told on it. Never rejects.
 */
export function tunnel(
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  options: TunnelOptions,
): Promise<TunnelEnd> {
  return new Promise((resolve) => {
    const gateway = connect(splitAddress(options.backend));
    let answered = false;
    let received = Buffer.alloc(0);
    const giveUp = (failed: 502 | 504, isElsewhere = true) => {
      clearTimeout(timer);
      client.off('close', clientLeft);
      gateway.destroy();
      if (!answered) resolve({ failed, isElsewhere });
    };
    let timer = setTimeout(() => giveUp(504), options.connectMs);
    const clientLeft = () => void gateway.destroy();
    client.once('close', clientLeft);
    gateway.once('connect', () => {
      clearTimeout(timer);
      timer = setTimeout(() => giveUp(504, false), options.readMs);
      gateway.setKeepAlive(true);
      gateway.setNoDelay(true);
      gateway.write(upgradeText(request, options.headers), 'latin1');
    });
    gateway.on('error', () => giveUp(502));
    gateway.once('close', () => giveUp(502));
    const read = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf('\r\n\r\n');
      if (end < 0 && received.length <= MAX_ANSWER_BYTES) return;
      gateway.off('data', read);
      client.off('close', clientLeft);
      const [, status] = received.toString('latin1', 0, 32).split(' ');
      if (status !== '101') return giveUp(status === '504' ? 504 : 502, status === '503');
      answered = true;
      clearTimeout(timer);
      client.write(received);
      gateway.write(head);
      void join(client, gateway, options.readMs).then(() => resolve({}));
    };
    gateway.on('data', read);
  });
}

/** Bytes both ways until one side ends or both are silent for too long. */
function join(client: Duplex, gateway: Socket, silenceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = () => {
      clearTimeout(silence);
      client.destroy();
      gateway.destroy();
      resolve();
    };
    const silence = setTimeout(cut, silenceMs);
    const alive = () => void silence.refresh();
    for (const side of [client, gateway]) {
      side.on('data', alive);
      side.once('close', cut);
    }
    client.pipe(gateway);
    gateway.pipe(client);
  });
}

function upgradeText(request: IncomingMessage, headers: Readonly<Record<string, string>>): string {
  const own = FORWARDED.flatMap((name) => {
    const value = request.headersDistinct[name]?.[0] ?? '';
    return value === '' ? [] : [`${name}: ${value}`];
  });
  const ours = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [
    'GET / HTTP/1.1',
    `Host: ${request.headers.host ?? ''}`,
    'Upgrade: websocket',
    'Connection: upgrade',
    ...own,
    ...ours,
    '',
    '',
  ].join('\r\n');
}
