/** The network between the browser and the front: plain TCP that a test can cut or silence. */

import { connect, createServer, type Socket } from 'node:net';

export interface Line {
  readonly port: number;
  /** Where it leads; it may be set after the start. */
  target: number;
  /** Ends all connections without a word, as a network that goes away; new ones are served. */
  cut(): void;
  /** Bytes of the WebSockets that are open now stop, in both directions, and nobody is told. */
  silence(): void;
  close(): Promise<void>;
}

export async function startLine(): Promise<Line> {
  const sockets = new Set<Socket>();
  const webSockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    // A reset by either side is an end like any other; `close` follows it.
    socket.on('error', () => {});
    socket.once('close', () => {
      sockets.delete(socket);
      webSockets.delete(socket);
    });
  };
  const server = createServer((client) => {
    const front = connect({ port: line.target, host: '127.0.0.1' });
    keep(client);
    keep(front);
    client.on('data', (chunk) => {
      if (!chunk.includes('Upgrade: websocket')) return;
      webSockets.add(client).add(front);
    });
    client.pipe(front);
    front.pipe(client);
    client.once('close', () => void front.destroy());
    front.once('close', () => void client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const line: Line = {
    port: address.port,
    target: 0,
    cut,
    silence() {
      for (const socket of webSockets) {
        socket.unpipe();
        socket.pause();
      }
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      cut();
      await closed;
    },
  };
  return line;
}
