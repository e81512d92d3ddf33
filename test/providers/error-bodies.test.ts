/** The body of an error is read as far as it can say something, however long it goes on. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createFetch } from '../../providers/transport.ts';

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
