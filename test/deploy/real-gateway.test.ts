/** The front before the real gateway: what nginx sends is what the gateway asks for. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { testConfig } from '../support/config.ts';
import { INSTANCE } from '../support/edge-stubs.ts';
import { startGateway } from '../support/gateway.ts';
import { createInbox } from '../support/inbox.ts';
import { edgeFront, knockAt, mapLine, nginxFront, ORIGIN, startChain, urlPath } from './chain.ts';

const SECRET = 'secret-of-the-gateway-0001';

interface Frame {
  type: string;
  id?: string;
  ok?: boolean;
  event?: string;
  payload?: { state?: string; deltaText?: string };
}

/** A page in miniature: shakes hands and asks one question. */
async function converse(port: number) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${urlPath()}`, {
    headers: { Origin: ORIGIN },
  });
  onTestFinished(() => socket.terminate());
  const inbox = createInbox<Frame>();
  socket.on('message', (data) => inbox.push(JSON.parse(String(data))));
  const send = (id: string, method: string, params: object) =>
    socket.send(JSON.stringify({ type: 'req', id, method, params }));
  await inbox.find((frame) => frame.event === 'connect.challenge');
  send('1', 'connect', {
    minProtocol: 4,
    maxProtocol: 4,
    client: { id: 'webchat-ui', version: '1', platform: 'test', mode: 'webchat' },
  });
  const hello = await inbox.find((frame) => frame.id === '1');
  send('2', 'chat.send', { sessionKey: 'main', message: 'Who are you?', idempotencyKey: 'run-1' });
  const isEnd = (frame: Frame) => frame.event === 'chat' && frame.payload?.state === 'final';
  await inbox.find(isEnd);
  const text = inbox.items.map((frame) => frame.payload?.deltaText ?? '').join('');
  return { hello, text, leave: () => socket.close(1000) };
}

describe.each([
  ['nginx', nginxFront],
  ['edge', edgeFront],
] as const)('%s before the gateway', (_name, start) => {
  async function startReal(gatewaySecret: string) {
    const gateway = await startGateway({
      config: testConfig({
        logging: { level: 'trace' },
        gateway: {
          auth: {
            mode: 'trusted-proxy',
            trustedProxy: {
              allowLoopback: true,
              secret: { header: 'X-Gateway-Secret', value: SECRET },
              requiredHeaders: ['X-Request-ID'],
            },
          },
          controlUi: { allowedOrigins: [ORIGIN], dangerouslyDisableDeviceAuth: true },
          instances: { [INSTANCE]: 'main' },
        },
      }),
    });
    const chain = await startChain(start, {
      map: () => mapLine(INSTANCE, `127.0.0.1:${gateway.port}`),
      values: { gatewaySecret: { header: 'X-Gateway-Secret' } },
      env: { OC_GATEWAY_SECRET: gatewaySecret },
    });
    return { gateway, chain };
  }

  test('a conversation is held', async () => {
    const { chain, gateway } = await startReal(SECRET);
    const { hello, text, leave } = await converse(chain.front.port);
    expect(hello).toMatchObject({ ok: true });
    expect(text).toContain('Who are you?');
    leave();
    await gateway.logged('disconnected');
    // At the most talkative level: neither a token nor what was said.
    for (const hidden of ['sekret', SECRET, 'Who are', 'You said']) {
      expect(gateway.output()).not.toContain(hidden);
    }
  });

  test('a line of the front and the lines of the gateway share a request id', async () => {
    const { chain, gateway } = await startReal(SECRET);
    const { leave } = await converse(chain.front.port);
    leave();
    const connected = await gateway.logged('connected');
    const disconnected = await gateway.logged('disconnected');
    expect(connected['requestId']).toMatch(/^[0-9a-f]{32}$/);
    expect(disconnected['requestId']).toBe(connected['requestId']);
    // The line of a socket is written when it ends.
    await expect
      .poll(() => chain.front.logs(), { timeout: 30_000 })
      .toContain(`"requestId":"${String(connected['requestId'])}"`);
  });

  test('a gateway that is asked to stop sends its own close through', async () => {
    const { chain, gateway } = await startReal(SECRET);
    const outcome = await knockAt(chain.front.port);
    gateway.signal('SIGTERM');
    expect(outcome.kind === 'greeted' && (await outcome.socket.closed)).toBe(1012);
    await gateway.exited;
    expect(await knockAt(chain.front.port)).toMatchObject({ code: 4502 });
  });

  test('a front without the right secret is refused by the gateway', async () => {
    const { chain, gateway } = await startReal('another-secret-altogether');
    const outcome = await knockAt(chain.front.port);
    expect(outcome.kind).toBe('greeted');
    if (outcome.kind !== 'greeted') return;
    const answer = await outcome.socket.echo(
      JSON.stringify({
        type: 'req',
        id: '1',
        method: 'connect',
        params: {
          minProtocol: 4,
          maxProtocol: 4,
          client: { id: 'webchat-ui', version: '1', platform: 'test', mode: 'webchat' },
        },
      }),
    );
    expect(JSON.parse(answer)).toMatchObject({ ok: false });
    expect(await outcome.socket.closed).toBe(1008);
    expect(await gateway.logged('refused')).toMatchObject({ rule: 'secret_mismatch' });
  });
});
