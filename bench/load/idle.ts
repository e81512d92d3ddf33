/** Sockets that are connected and say nothing: what they weigh. */

import { setTimeout as sleep } from 'node:timers/promises';
import { residentKib } from '../proc.ts';
import { type Client, openClient } from './client.ts';
import { meter, type Reading } from './meter.ts';

export interface IdleArgs {
  port: number;
  pid: number;
  /** How many are open at each look at the memory, growing. */
  steps: readonly number[];
  settleMs: number;
  windowMs: number;
}

export interface IdleResult {
  /** Resident KiB of the server at each step. */
  residentKib: number[];
  /** With all of them open. */
  reading: Reading;
}

/** Handshakes under way at once. */
const AT_ONCE = 50;

export async function idle(args: IdleArgs): Promise<IdleResult> {
  const clients: Client[] = [];
  const openUpTo = async (total: number) => {
    const more = async () => {
      while (clients.length < total) {
        const client = openClient({ port: args.port, onLost: fail });
        // Its place is taken before it is connected.
        const at = clients.push(PENDING) - 1;
        clients[at] = await client;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, more));
  };
  const resident: number[] = [];
  for (const step of args.steps) {
    await openUpTo(step);
    await sleep(args.settleMs);
    resident.push(residentKib(args.pid));
  }
  const stopMeter = meter({ subject: args.pid });
  await sleep(args.windowMs);
  const reading = stopMeter();
  for (const client of clients) client.close();
  return { residentKib: resident, reading };
}

function fail(error: Error): never {
  throw error;
}

const PENDING: Client = {
  request: () => Promise.reject(new Error('not connected yet')),
  bytesRead: () => 0,
  close: () => {},
};
