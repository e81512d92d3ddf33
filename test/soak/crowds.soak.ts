/**
 * Crowds of sockets in the numbers that are promised: silent ones that would starve users, and clients that must not
 * all come back at once. Needs some 20,000 descriptors (`ulimit -n`); `npm run soak` runs it.
 */

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { connectClient, connectParams } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { clientFrame, upgradeRequest } from '../support/raw.ts';
import { startOpenAiUpstream, type Upstream } from '../support/upstream/openai.ts';
import { descriptors, percentile, printRow, residentMiB, startMetered } from './metered.ts';

const SILENT = 15_000;
const CLIENTS = 10_000;
/** Sockets that are opened before the next ones are. */
const WAVE = 250;
const MAX_PENDING = 5_000;

interface RawSocket {
  socket: Socket;
  opened: Promise<boolean>;
  closed: Promise<number>;
}

/**
 * From any of twenty addresses. It is open when it has been challenged; or, with a `frame`, when that was sent behind
 * the challenge and answered.
 */
function open(port: number, n: number, upgrade: string, frame?: Buffer): RawSocket {
  const localAddress = `127.0.0.${2 + (n % 20)}`;
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  const closed = new Promise<number>((resolve) => {
    socket.once('close', () => resolve(performance.now()));
  });
  const came = new Promise<true>((resolve) => {
    socket.on('data', (chunk) => {
      // Its answer, hello-ok, names all events: the challenge too.
      if (!frame || String(chunk).includes('hello-ok')) resolve(true);
      else if (String(chunk).includes('connect.challenge')) socket.write(frame);
    });
  });
  socket.write(upgrade);
  return { socket, opened: Promise.race([came, closed.then(() => false)]), closed };
}

const limits = {
  maxPendingSockets: MAX_PENDING,
  maxSockets: 20_000,
  maxSocketsPerUser: 20_000,
  connectTimeoutMs: 600_000,
};
const gatewayConfig = (more: object = {}) =>
  testConfig({
    upstream: upstream.url,
    gateway: { trustedProxies: ['127.0.0.0/8'], limits, ...more },
  });

let upstream: Upstream;
beforeAll(async () => {
  upstream = await startOpenAiUpstream();
});
afterAll(() => upstream.close());

test(`${SILENT} silent sockets keep no user out`, { timeout: 300_000 }, async () => {
  const gateway = await startMetered({ config: gatewayConfig(), favoured: true });
  const before = descriptors(gateway.pid);
  const waits: number[] = [];
  await gateway.loopDelay();
  for (let n = 0; n < SILENT; n += WAVE) {
    const wave = Array.from({ length: WAVE }, (_, m) =>
      open(gateway.port, n + m, upgradeRequest(`silent-${n + m}`)),
    );
    await Promise.all(wave.map(({ opened }) => opened));
    // A user comes in between.
    const asked = performance.now();
    const client = await connectClient({ port: gateway.port, user: `user-${n}`, check: false });
    await client.say('main', 'hello');
    waits.push(performance.now() - asked);
    await client.close();
  }
  const delay = await gateway.loopDelay();
  const held = descriptors(gateway.pid) - before;
  printRow([
    `${SILENT} silent sockets`,
    `a user comes in and is answered: p50 ${percentile(waits, 0.5).toFixed(0)} ms, slowest ${percentile(waits, 1).toFixed(0)} ms`,
    `descriptors held ${held}`,
    `loop p99 ${delay.p99} ms`,
    `${residentMiB(gateway.pid).toFixed(0)} MiB`,
  ]);
  expect(held).toBeLessThan(MAX_PENDING + 100);
});

test(`${CLIENTS} clients do not return at once`, { timeout: 300_000 }, async () => {
  const spreadSeconds = 20;
  const config = gatewayConfig({
    limits: { ...limits, maxPendingSockets: 20_000 },
    shutdown: { graceSeconds: 1, spreadSeconds },
  });
  const gateway = await startMetered({ config, favoured: true });
  const connectFrame = clientFrame(
    JSON.stringify({ type: 'req', id: 'c', method: 'connect', params: connectParams() }),
  );
  const clients: RawSocket[] = [];
  for (let n = 0; n < CLIENTS; n += WAVE) {
    const wave = Array.from({ length: WAVE }, (_, m) =>
      open(gateway.port, n + m, upgradeRequest(`user-${n + m}`), connectFrame),
    );
    expect(await Promise.all(wave.map(({ opened }) => opened))).not.toContain(false);
    clients.push(...wave);
  }
  await sleep(500);
  const resident = residentMiB(gateway.pid);
  gateway.signal('SIGTERM');
  const times = await Promise.all(clients.map(({ closed }) => closed));
  const first = Math.min(...times);
  const perSecond = Array.from({ length: spreadSeconds + 10 }, (_, second) => {
    const begins = first + second * 1_000;
    return times.filter((at) => at >= begins && at < begins + 1_000).length;
  });
  printRow([
    `${CLIENTS} clients at a shutdown over ${spreadSeconds} s`,
    `closed over ${((Math.max(...times) - first) / 1_000).toFixed(1)} s`,
    `most in one second ${Math.max(...perSecond)}`,
    `${resident.toFixed(0)} MiB`,
  ]);
  expect(await gateway.exited).toEqual({ code: 0, signal: null });
  // An even spread would be a twentieth in each second.
  expect(Math.max(...perSecond)).toBeLessThan((3 * CLIENTS) / spreadSeconds);
});
