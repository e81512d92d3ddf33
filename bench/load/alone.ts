/** One user on an idle machine. */

import { type Asked, askRepeatedly, during } from './asker.ts';
import type { Target } from './conversation.ts';

export interface AloneArgs {
  target: Target;
  warmUpMs: number;
  askMs: number;
}

export async function alone({ target, warmUpMs, askMs }: AloneArgs): Promise<{ asked: Asked }> {
  await askRepeatedly(target, during(warmUpMs));
  return { asked: await askRepeatedly(target, during(askMs)) };
}
