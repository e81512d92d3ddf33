/** New users, one after the other: upgrade, challenge, connect, hello-ok, gone. */

import { now } from '../clock.ts';
import { openClient } from './client.ts';
import { meter, type Pids, type Reading } from './meter.ts';

export interface HandshakesArgs {
  port: number;
  /** How many are under way at once. */
  atOnce: number;
  warmUpMs: number;
  windowMs: number;
  pids: Pids;
}

export interface HandshakesResult {
  count: number;
  reading: Reading;
}

export async function handshakes(args: HandshakesArgs): Promise<HandshakesResult> {
  const keepConnecting = async (untilMs: number): Promise<number> => {
    let count = 0;
    const one = async () => {
      while (now() < untilMs) {
        const client = await openClient({ port: args.port });
        client.close();
        count += 1;
      }
    };
    await Promise.all(Array.from({ length: args.atOnce }, one));
    return count;
  };
  await keepConnecting(now() + args.warmUpMs);
  const stopMeter = meter(args.pids);
  const count = await keepConnecting(now() + args.windowMs);
  return { count, reading: stopMeter() };
}
