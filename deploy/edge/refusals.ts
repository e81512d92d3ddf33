/**
 * The refusal service: takes an upgrade that the proxy has refused, and closes it at once with a code and a reason
 * that the page can read. It stands apart from portal and gateway, since it is their absence that it reports.
 */

import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { isRefusedStatus, type RefusalClose, refusalClose } from './close-codes.ts';

export interface RefusalsOptions {
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** Milliseconds that a client has to answer the close before it is cut. */
  lingerMs?: number;
}

export interface Refusals {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

const LINGER_MS = 2_000;
/** Nothing that a refused client sends is read. */
const MAX_PAYLOAD_BYTES = 1_024;

/** Takes the upgrade and closes it. */
export type Closer = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  close: RefusalClose,
) => void;

export function createCloser(lingerMs: number = LINGER_MS): Closer {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_PAYLOAD_BYTES,
    // A client that asked for a protocol drops a server that agrees on none.
    handleProtocols: (offered) => offered.values().next().value ?? false,
  });
  // What is no handshake gets HTTP 400 by the library, and needs no more than that.
  sockets.on('wsClientError', (_error, socket) => {
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  });
  return (request, socket, head, { code, reason }) => {
    // A client that leaves first is no fault.
    socket.on('error', () => socket.destroy());
    sockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
      webSocket.on('error', () => webSocket.terminate());
      const cut = setTimeout(() => webSocket.terminate(), lingerMs);
      webSocket.once('close', () => clearTimeout(cut));
      webSocket.close(code, reason);
    });
  };
}

/** Rejects if the address cannot be bound. */
export async function startRefusals(options: RefusalsOptions): Promise<Refusals> {
  const refuse = createCloser(options.lingerMs);
  const server = createServer((request, response) => {
    const healthy = request.method === 'GET' && request.url === '/healthz';
    response.writeHead(healthy ? 200 : 404, { 'content-type': 'application/json' });
    response.end(healthy ? '{"ok":true}' : '{"error":"not found"}');
  });
  server.on('upgrade', (request, socket, head) => {
    const status = Number(request.headers['x-reject-status']);
    const word = request.headers['x-reject-reason'];
    const known = isRefusedStatus(status) ? status : 503;
    refuse(request, socket, head, refusalClose(known, typeof word === 'string' ? word : undefined));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return {
    host: options.host,
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
