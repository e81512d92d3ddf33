/** Many answers at once, each to a user of its own. */

import { setTimeout as sleep } from 'node:timers/promises';
import { ENDLESS } from '../order.ts';
import { openConversation, type Target } from './conversation.ts';

export interface Streams {
  /** Stops all answers, waits for their ends and closes the connections. */
  stop(): Promise<void>;
}

/** Resolves when every answer has begun. `everyMs` as in `Order`. */
export async function startStreams(
  target: Target,
  count: number,
  everyMs: number,
  onText: (text: string, at: number) => void,
): Promise<Streams> {
  const all = await Promise.all(Array.from({ length: count }, () => openConversation(target)));
  const ends: Promise<void>[] = [];
  const begun = all.map(async (conversation, index) => {
    // Spread over one interval: tokens of different users do not come in step.
    await sleep((index / count) * everyMs);
    const first = Promise.withResolvers<void>();
    const end = conversation.ask(
      { tokens: ENDLESS, everyMs },
      {
        text(text, at) {
          first.resolve();
          onText(text, at);
        },
      },
    );
    end.catch(first.reject);
    ends.push(end);
    await first.promise;
  });
  await Promise.all(begun);
  return {
    async stop() {
      for (const conversation of all) conversation.stop();
      await Promise.all(ends);
      for (const conversation of all) conversation.close();
    },
  };
}
