/** One answer in many tabs of its user: what another reader costs. */

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ENDLESS } from '../order.ts';
import { openClient } from './client.ts';
import { openConversation, type Target } from './conversation.ts';
import { meter, type Pids, type Reading } from './meter.ts';

export interface WatchedArgs {
  target: Target;
  tabs: number;
  /** Milliseconds between two tokens of the answer. */
  everyMs: number;
  warmUpMs: number;
  windowMs: number;
  pids: Pids;
}

export interface WatchedResult {
  /** That arrived, over all tabs. */
  frames: number;
  reading: Reading;
}

export async function watched(args: WatchedArgs): Promise<WatchedResult> {
  const { target, tabs, everyMs } = args;
  let frames = 0;
  const count = () => void (frames += 1);
  const userId = randomUUID();
  const asking = await openConversation(target, userId);
  const watching = await Promise.all(
    Array.from({ length: tabs - 1 }, () =>
      openClient({ port: target.port, userId, onText: count }),
    ),
  );
  const over = asking.ask({ tokens: ENDLESS, everyMs }, { text: count });
  await sleep(args.warmUpMs);
  frames = 0;
  const stopMeter = meter(args.pids);
  await sleep(args.windowMs);
  const result = { frames, reading: stopMeter() };
  asking.stop();
  await over;
  asking.close();
  for (const client of watching) client.close();
  return result;
}
