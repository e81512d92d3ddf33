/** One user on an idle machine. */

import { type Asked, askRepeatedly, during } from './asker.ts';
import type { Target } from './conversation.ts';
import { meter, type Pids, type Reading } from './meter.ts';

export interface AloneArgs {
  target: Target;
  warmUpMs: number;
  askMs: number;
  /** Whose processor time is read. */
  pids?: Pids;
}

export interface AloneResult {
  asked: Asked;
  reading: Reading;
}

export async function alone(args: AloneArgs): Promise<AloneResult> {
  const { target, warmUpMs, askMs, pids = {} } = args;
  await askRepeatedly(target, during(warmUpMs));
  const stopMeter = meter(pids);
  const asked = await askRepeatedly(target, during(askMs));
  return { asked, reading: stopMeter() };
}
