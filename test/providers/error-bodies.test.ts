/** The body of an error is read as far as it can say something, however long it goes on. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createFetch } from '../../providers/transport.ts';
import { CUT, gate, type Piece, pause, settled, startUpstream } from '../support/upstream/http.ts';
import { IMPATIENT_MS } from './calls.ts';

test('an endless error is cut off, and its connection closed', async () => {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  let sent = 0;
  const closed = Promise.withResolvers<void>();
  const server = createServer((_, response) => {
    response.writeHead(500);
    response.on('close', closed.resolve);
    const pour = () => {
      while (!response.destroyed) {
        sent += chunk.length;
        if (!response.write(chunk)) return response.once('drain', pour);
      }
      return response;
    };
    pour();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  // A server on a TCP port has an address of this kind.
  const { port } = server.address() as AddressInfo;
  const response = await createFetch()(`http://127.0.0.1:${port}/`);
  const body = await response.arrayBuffer();
  expect(response.status).toBe(500);
  expect(body.byteLength).toBeGreaterThan(60 * 1024);
  expect(body.byteLength).toBeLessThan(256 * 1024);
  await closed.promise;
  expect(sent).toBeLessThan(64 * 1024 * 1024);
});

/** Never opened: what waits for it waits until the client leaves. */
const never = gate().promise;

/** An upstream that refuses with this body, and a `fetch` without patience for it. */
async function refusing(...body: Piece[]) {
  const upstream = await startUpstream({ body: [] });
  onTestFinished(() => upstream.close());
  upstream.script({ status: 429, headers: { 'retry-after': '7' }, body });
  return { upstream, fetch: createFetch({ errorBodyMs: IMPATIENT_MS }) };
}

test.each<[string, Piece[], string]>([
  ['has begun', ['too ', 'fast', never], 'too fast'],
  ['has not begun', [never], ''],
])('an error that stalls when it %s is left, with what came of it', async (_, body, text) => {
  const { upstream, fetch } = await refusing(...body);
  const response = await fetch(upstream.url);
  expect(await response.text()).toBe(text);
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, '7']);
  expect(await upstream.requests[0]?.closed).toBe('dropped');
  await upstream.allClosed();
});

test('an error that drips is left too', async () => {
  const drops = Array.from({ length: 1_000 }, () => ['x', pause(IMPATIENT_MS / 6)]).flat();
  const { upstream, fetch } = await refusing(...drops);
  const text = await (await fetch(upstream.url)).text();
  expect(text.length).toBeLessThan(drops.length / 2);
  expect(await upstream.requests[0]?.closed).toBe('dropped');
});

test('an error that breaks off says what came of it', async () => {
  const { upstream, fetch } = await refusing('too fast', CUT);
  expect(await (await fetch(upstream.url)).text()).toBe('too fast');
});

test('the connection of a whole error is kept', async () => {
  const { upstream, fetch } = await refusing('too fast');
  await (await fetch(upstream.url)).text();
  await settled();
  await fetch(upstream.url);
  expect(upstream.requests.map(({ connection }) => connection)).toEqual([1, 1]);
});
