/** What several processes of one gateway carry together: long answers, then short ones in quick succession. */

import { now } from '../clock.ts';
import { type Summary, summarise } from '../statistics.ts';
import { countTokens } from '../token.ts';
import { during } from './asker.ts';
import { type Conversation, openConversation } from './conversation.ts';
import { meter, type Pids, type Reading } from './meter.ts';

export interface WorkersArgs {
  /** The users take turns over them. */
  ports: readonly number[];
  users: number;
  /** Of each long answer. */
  tokens: number;
  /** How long short questions are asked. */
  windowMs: number;
  pids: Pids;
}

export interface WorkersResult {
  saturated: { tokens: number; reading: Reading };
  asked: { answers: number; acknowledged: Summary; reading: Reading };
}

export async function workers(args: WorkersArgs): Promise<WorkersResult> {
  const { ports, users } = args;
  const open = (n: number) =>
    openConversation({ kind: 'socket', port: ports[n % ports.length] ?? 0 });
  const all = await Promise.all(Array.from({ length: users }, (_, n) => open(n)));
  // A tenth of it first: compilers and connection pools are warm afterwards.
  await pour(all, Math.ceil(args.tokens / 10));
  const stopMeter = meter(args.pids);
  const tokens = await pour(all, args.tokens);
  const saturated = { tokens, reading: stopMeter() };
  const asked = await askShort(all, args);
  for (const conversation of all) conversation.close();
  return { saturated, asked };
}

async function pour(all: readonly Conversation[], tokensEach: number): Promise<number> {
  let tokens = 0;
  const text = (delta: string) => {
    tokens += countTokens(delta);
  };
  const order = { tokens: tokensEach, everyMs: 0 };
  await Promise.all(all.map((conversation) => conversation.ask(order, { text })));
  if (tokens !== tokensEach * all.length) throw new Error('tokens were lost');
  return tokens;
}

/** Each is a message, an acknowledgement and an answer: two or three commits. */
async function askShort(all: readonly Conversation[], { windowMs, pids }: WorkersArgs) {
  const acknowledged: number[] = [];
  let answers = 0;
  const stopMeter = meter(pids);
  const goOn = during(windowMs);
  const askers = all.map(async (conversation) => {
    while (goOn()) {
      const sentAt = now();
      await conversation.ask(
        { tokens: 1, everyMs: 0 },
        { acknowledged: (at) => void acknowledged.push(at - sentAt), text() {} },
      );
      answers += 1;
    }
  });
  await Promise.all(askers);
  return { answers, acknowledged: summarise(acknowledged), reading: stopMeter() };
}
