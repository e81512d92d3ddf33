/** The terminal's client looks for the process of a gateway that serves its user. */

import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../../gateway/cli/client.ts';
import { ORIGIN } from '../../support/client.ts';
import { testConfig } from '../../support/config.ts';
import { startGateway } from '../../support/gateway.ts';

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers each upgrade with this status; `asked` is how often. */
async function refusing(status: number) {
  let asked = 0;
  const server = createHttp().on('upgrade', (_, socket) => {
    asked += 1;
    socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
  });
  return { url: await listening(server), asked: () => asked };
}

/** Takes connections, and never says a word. */
async function hanging(): Promise<string> {
  const server = createServer((socket) => {
    onTestFinished(() => void socket.destroy());
  });
  return listening(server);
}

async function gone(): Promise<string> {
  const server = createServer();
  const url = await listening(server);
  server.close();
  await once(server, 'close');
  return url;
}

function knock(urls: readonly string[], patienceMs = 30_000) {
  return connect({
    urls,
    ifNobodyListens: 'do this',
    patienceMs,
    headers: { 'X-User-ID': 'ann', Origin: ORIGIN },
    version: '1',
    onEvent() {},
    onClose() {},
  });
}

test('it passes over processes that are gone, refuse with 503 or hang, and stays where it is let in', async () => {
  const gateway = await startGateway({ config: testConfig() });
  const here = `ws://127.0.0.1:${gateway.port}`;
  const [busy, after] = [await refusing(503), await refusing(503)];
  const client = await knock([await gone(), busy.url, await hanging(), here, after.url], 2_000);
  onTestFinished(() => client.close());
  expect(client.url).toBe(here);
  expect(await client.request('health', {})).toMatchObject({ ok: true });
  expect([busy.asked(), after.asked()]).toEqual([1, 0]);
});

test('it asks each once, and says what each answered when none lets it in', async () => {
  const [one, two] = [await refusing(503), await refusing(503)];
  const nobody = await gone();
  const refusal = await knock([one.url, nobody, two.url]).catch(String);
  expect(refusal).toContain(`${one.url}: HTTP 503, ${nobody}: nothing listens`);
  expect(refusal).toContain('try again');
  expect([one.asked(), two.asked()]).toEqual([1, 1]);
});

test('it asks nobody else when it is refused for good', async () => {
  const next = await refusing(503);
  const stranger = await refusing(403);
  await expect(knock([stranger.url, next.url])).rejects.toThrow('gateway.trustedProxies');
  const other = await refusing(404);
  await expect(knock([other.url, next.url])).rejects.toThrow('this is no gateway');
  expect(next.asked()).toBe(0);
});

test('where nothing listens at all, it says where it has looked', async () => {
  const [one, two] = [await gone(), await gone()];
  await expect(knock([one, two])).rejects.toThrow(`nothing listens at ${one}, ${two}; do this.`);
});

test('a host whose name nobody knows is no gateway that is starting', async () => {
  // Longer than a name may be, so that nobody is asked for it.
  await expect(knock([`ws://${'a'.repeat(64)}.invalid:1`])).rejects.toThrow(
    'the host of the address is not known',
  );
});
