/** A client at the front that is no browser: it sends what a page would not. */

import { connect } from 'node:net';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { type ChainUnderTest, ONE } from './chain.ts';
import { createInbox } from './inbox.ts';
import { clientFrame } from './raw.ts';

// What arrives is whatever the chain sent; tests look into it by path, and a wrong path fails them.
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

export interface Session {
  ws_url: string;
  session_key: string;
  token: string;
  expires_at: string;
}

export async function createSession(
  chain: ChainUnderTest,
  accessToken: string,
  instance = ONE,
): Promise<Session> {
  const response = await fetch(
    `http://127.0.0.1:${chain.portalPort}/api/v1/me/webchat/session/create`,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${accessToken}` },
      body: JSON.stringify({ instance_id: instance }),
    },
  );
  if (!response.ok) throw new Error(`create answered ${response.status} ${await response.text()}`);
  return (await response.json()) as Session;
}

export interface ChainClient {
  readonly hello: Json;
  /** The whole response frame, whatever it says. */
  ask(method: string, params?: object): Promise<Json>;
  event(name: string, matches?: (payload: Json) => boolean): Promise<Json>;
  readonly frames: readonly Json[];
  readonly closed: Promise<{ code: number; reason: string }>;
  close(): void;
}

export interface Knock {
  token?: string;
  instance?: string;
  origin?: string;
  /** The name that the front is asked by. */
  host?: string;
}

/** Shakes hands; or, if the front or the gateway refuses, resolves with the close. */
export async function knock(
  chain: ChainUnderTest,
  { token, instance = ONE, origin = chain.origin, host = '127.0.0.1' }: Knock,
): Promise<ChainClient | { code: number; reason: string }> {
  const query = token === undefined ? '' : `?token=${token}`;
  const { port } = chain.line;
  const socket = new WebSocket(`ws://127.0.0.1:${port}/oc-ws/${instance}${query}`, {
    headers: { Origin: origin, Host: `${host}:${port}` },
  });
  onTestFinished(() => socket.terminate());
  const inbox = createInbox<Json>();
  socket.on('message', (data) => inbox.push(JSON.parse(String(data))));
  socket.on('error', () => {});
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });
  let lastId = 0;
  const ask = async (method: string, params: object = {}): Promise<Json> => {
    const id = `q${++lastId}`;
    socket.send(JSON.stringify({ type: 'req', id, method, params }));
    return inbox.find((frame) => frame.type === 'res' && frame.id === id);
  };
  const greet = async (): Promise<ChainClient> => {
    await inbox.find((frame) => frame.event === 'connect.challenge');
    const hello = await ask('connect', CONNECT);
    return {
      hello,
      ask,
      async event(name, matches = () => true) {
        const frame = await inbox.find((each) => each.event === name && matches(each.payload));
        return frame.payload;
      },
      frames: inbox.items,
      closed,
      close: () => socket.close(1000),
    };
  };
  return Promise.race([greet(), closed]);
}

/** One that has to be let in. */
export async function enter(chain: ChainUnderTest, options: Knock): Promise<ChainClient> {
  const outcome = await knock(chain, options);
  if ('code' in outcome) throw new Error(`closed ${outcome.code} ${outcome.reason}`);
  return outcome;
}

const CONNECT = {
  minProtocol: 4,
  maxProtocol: 4,
  client: { id: 'webchat-ui', version: '1', platform: 'test', mode: 'webchat' },
  role: 'operator',
};

/**
 * An upgrade written by hand, with any header lines, and then the handshake. Resolves with what came: its first
 * line and, if that was a 101, the first frames, of which the gateway's answer is one.
 */
export function rawHandshake(
  chain: ChainUnderTest,
  path: string,
  lines: readonly string[],
): Promise<string> {
  const socket = connect({ port: chain.frontPort, host: '127.0.0.1' });
  onTestFinished(() => void socket.destroy());
  socket.write(
    [
      `GET ${path} HTTP/1.1`,
      `Host: ${new URL(chain.origin).host}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      `Origin: ${chain.origin}`,
      ...lines,
      '',
      '',
    ].join('\r\n'),
  );
  let received = '';
  let asked = false;
  socket.setEncoding('latin1');
  return new Promise((resolve) => {
    socket.on('error', () => {});
    socket.on('close', () => resolve(received));
    socket.on('data', (chunk) => {
      received += String(chunk);
      if (received.includes('"ok":')) resolve(received);
      if (asked || !received.includes('connect.challenge')) return;
      asked = true;
      const request = { type: 'req', id: '1', method: 'connect', params: CONNECT };
      socket.write(clientFrame(JSON.stringify(request)));
    });
  });
}
