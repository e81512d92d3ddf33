/** Answers at a model's pace: what a delta costs, and how long it is under way. */

import { setTimeout as sleep } from 'node:timers/promises';
import { residentKib } from '../proc.ts';
import { type Summary, summarise } from '../statistics.ts';
import { stampsOf } from '../token.ts';
import { type Asked, askRepeatedly, during } from './asker.ts';
import type { Target } from './conversation.ts';
import { meter, type Pids, type Reading } from './meter.ts';
import { startStreams } from './streams.ts';

export interface PacedArgs {
  target: Target;
  streams: number;
  /** Milliseconds between two tokens of a stream. */
  everyMs: number;
  warmUpMs: number;
  windowMs: number;
  /** How long another user then asks, while the streams go on. */
  askMs: number;
  /** Whose processor time is read. */
  pids: Pids;
}

export interface PacedResult {
  tokens: number;
  /** Deltas that carried them: fewer if tokens were joined. */
  deltas: number;
  /** From the upstream's write of a token to its arrival, in milliseconds. */
  underWay: Summary;
  reading: Reading;
  /** Resident KiB of each at the end of the window. */
  residentKib: Record<string, number>;
  asked: Asked;
}

export async function paced(args: PacedArgs): Promise<PacedResult> {
  const underWay: number[] = [];
  let measuring = false;
  let deltas = 0;
  const streams = await startStreams(args.target, args.streams, args.everyMs, (text, at) => {
    if (!measuring) return;
    deltas += 1;
    for (const stamp of stampsOf(text)) underWay.push(at - stamp);
  });
  await sleep(args.warmUpMs);
  const stopMeter = meter(args.pids);
  measuring = true;
  // A machine that has much else to do may let nothing come at all for that long.
  do await sleep(args.windowMs);
  while (underWay.length === 0);
  measuring = false;
  const reading = stopMeter();
  const resident = Object.entries(args.pids).map(
    ([name, pid]) => [name, residentKib(pid)] as const,
  );
  const asked = await askRepeatedly(args.target, during(args.askMs));
  await streams.stop();
  return {
    tokens: underWay.length,
    deltas,
    underWay: summarise(underWay),
    reading,
    residentKib: Object.fromEntries(resident),
    asked,
  };
}
