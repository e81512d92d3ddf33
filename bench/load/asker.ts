/** One user who asks again and again, one question at a time. */

import { now } from '../clock.ts';
import { type Summary, summarise } from '../statistics.ts';
import { type Conversation, openConversation, type Target } from './conversation.ts';

export interface Asked {
  /** From the send to the first delta, in milliseconds. */
  firstDelta: Summary;
  /** From the send to its acknowledgement; none from the upstream itself. */
  acknowledged?: Summary;
}

/** A session is left for a new one after this many questions: its history stays as short as usual. */
const QUESTIONS_PER_SESSION = 20;

/** Answers of one token: what follows the first is not of interest. */
const ORDER = { tokens: 1, everyMs: 0 };

/** Asks once, and again as long as `goOn` says so. */
export async function askRepeatedly(target: Target, goOn: () => boolean): Promise<Asked> {
  const { firstDelta, acknowledged } = await collectTimes(target, goOn);
  return {
    firstDelta: summarise(firstDelta),
    ...(acknowledged.length > 0 && { acknowledged: summarise(acknowledged) }),
  };
}

/** The same, as it was measured. */
export async function collectTimes(
  target: Target,
  goOn: () => boolean,
): Promise<{ firstDelta: number[]; acknowledged: number[] }> {
  const firstDelta: number[] = [];
  const acknowledged: number[] = [];
  let conversation: Conversation | undefined;
  for (let asked = 0; asked === 0 || goOn(); asked += 1) {
    if (asked % QUESTIONS_PER_SESSION === 0) {
      conversation?.close();
      conversation = await openConversation(target);
    }
    const sentAt = now();
    await conversation?.ask(ORDER, {
      acknowledged: (at) => void acknowledged.push(at - sentAt),
      text: (_text, at) => void firstDelta.push(at - sentAt),
    });
  }
  conversation?.close();
  return { firstDelta, acknowledged };
}

/** For so many milliseconds from now. */
export function during(ms: number): () => boolean {
  const endAt = now() + ms;
  return () => now() < endAt;
}
