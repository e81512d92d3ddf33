/** A gateway's admin listener, as far as the portal knows it. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface GatewayAdmin {
  readonly adminUrl: string;
  readonly token: string;
  /** What it was told, in order. */
  readonly calls: { authorization: string | undefined; url: string | undefined; body: unknown }[];
  /** Its next statuses; 200 when there are none left. */
  readonly statuses: number[];
  /** Resolves when it has been called this often. */
  called(times: number): Promise<void>;
}

export async function startGatewayAdmin(): Promise<GatewayAdmin> {
  const calls: GatewayAdmin['calls'] = [];
  const statuses: number[] = [];
  const waiting = new Set<() => void>();
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += String(chunk);
    });
    request.on('end', () => {
      const { authorization } = request.headers;
      calls.push({ authorization, url: request.url, body: JSON.parse(text) });
      response.writeHead(statuses.shift() ?? 200, { 'content-type': 'application/json' });
      response.end('{"closed":1}');
      for (const look of waiting) look();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    adminUrl: `http://127.0.0.1:${port}`,
    token: 'admin-token',
    calls,
    statuses,
    called: (times) =>
      new Promise((resolve) => {
        const look = () => {
          if (calls.length < times) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}
