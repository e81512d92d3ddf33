/** Connections to an endpoint share the buffer that they read into. What each reader gets must be its own all the same. */

import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { bodyOf, createFetch } from '../../providers/transport.ts';

const TLS = join(import.meta.dirname, '..', 'deploy', 'tls');
const cert = await readFile(join(TLS, 'cert.pem'));
const key = await readFile(join(TLS, 'key.pem'));

beforeAll(() => {
  const before = getCACertificates('default');
  setDefaultCACertificates([...before, cert.toString()]);
  return () => setDefaultCACertificates(before);
});

/** Pieces of all sizes, some larger than anything that is read at once. */
const SIZES = [1, 7, 230, 4_095, 4_096, 16_384, 65_536, 200_000];

const answers = new Map(
  Array.from({ length: 8 }, (_, n) => [
    `/${n}`,
    [...SIZES, ...SIZES].map((size) => randomBytes((size * (n + 1)) >> 2)),
  ]),
);

const answer: RequestListener = (request, response) => {
  const left = [...(answers.get(request.url ?? '') ?? [])];
  const write = () => {
    const piece = left.shift();
    if (piece) response.write(piece, write);
    else response.end();
  };
  request.resume();
  write();
};

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const SERVERS = {
  http: () => createServer(answer),
  https: () => createSecureServer({ cert, key }, answer),
};

const sum = (pieces: readonly Uint8Array[]) =>
  createHash('sha256').update(Buffer.concat(pieces)).digest('hex');

describe.each(['http', 'https'] as const)('over %s', (scheme) => {
  test('answers that come at the same time stay apart, for as long as they are kept', async () => {
    const server = SERVERS[scheme]();
    const port = await listening(server);
    const fetch = createFetch();
    const ask = async (path: string) => {
      const held: Buffer[] = [];
      // By name: several addresses are tried, each with a handle of its own.
      const response = await fetch(`${scheme}://localhost:${port}${path}`, { method: 'POST' });
      await bodyOf(response).forEach((piece) => {
        held.push(piece);
        return false;
      });
      return held;
    };
    const paths = [...answers.keys()];
    // The second time over the connections of the first.
    for (let time = 0; time < 2; time += 1) {
      const all = await Promise.all(paths.map(ask));
      expect(all.map(sum)).toEqual(paths.map((path) => sum(answers.get(path) ?? [])));
    }
    const connections = await new Promise((resolve) =>
      server.getConnections((_, count) => resolve(count)),
    );
    expect(connections).toBe(paths.length);
    server.closeAllConnections();
  });
});

test('a host that a header names is asked for by TLS, and has to prove its name', async () => {
  const named: unknown[] = [];
  const server = createSecureServer({ cert, key }, answer);
  server.on('secureConnection', (socket) => named.push(socket.servername));
  const address = `https://127.0.0.1:${await listening(server)}/0`;
  const ask = (host?: string) =>
    createFetch()(address, { method: 'POST', headers: host === undefined ? {} : { host } });
  for (const host of [undefined, 'localhost', 'localhost:8443', '127.0.0.1:8443']) {
    bodyOf(await ask(host)).leave();
  }
  // Of an address there is no name.
  expect(named).toEqual([false, 'localhost', 'localhost', false]);
  await expect(ask('models.example')).rejects.toThrow('models.example');
});
