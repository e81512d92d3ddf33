/** Ports in a row, for parts that have to be told where they and others are. */

import { createServer } from 'node:net';

/** Below those that the system gives to others, so that a part finds its own free when it starts again. */
const FIRST = 20_000;
const LAST = 32_000;

/** So many ports in a row that nobody listens on; the first of them. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = FIRST + Math.floor(Math.random() * ((LAST - FIRST) / count)) * count;
    const row = Array.from({ length: count }, (_, n) => first + n);
    if ((await Promise.all(row.map(isFree))).every(Boolean)) return first;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return free;
}
