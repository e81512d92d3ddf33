/** Answers as fast as they are taken: how much goes through, and who else is still served. */

import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../clock.ts';
import { type Summary, summarise } from '../statistics.ts';
import { countTokens } from '../token.ts';
import { collectTimes } from './asker.ts';
import { type Conversation, openConversation, type Target } from './conversation.ts';
import { meter, type Pids, type Reading } from './meter.ts';

export interface SaturatedArgs {
  target: Target;
  streams: number;
  /** Of each answer. Bounded, because what pours without end may leave no turn for a stop. */
  tokens: number;
  /** Whether other users ask meanwhile, and `/readyz` is fetched. */
  withOthers: boolean;
  /** Whose processor time is read. */
  pids: Pids;
}

export interface SaturatedResult {
  tokens: number;
  /** Deltas that carried them. */
  deltas: number;
  /** From the first send to the end of the last answer. */
  reading: Reading;
  others?: { acknowledged: Summary; ready: Summary };
}

export async function saturated(args: SaturatedArgs): Promise<SaturatedResult> {
  const { target, streams } = args;
  const all = await Promise.all(Array.from({ length: streams }, () => openConversation(target)));
  // A tenth of it first: compilers and connection pools are warm afterwards.
  await pour(all, Math.ceil(args.tokens / 10), () => {});
  const stopMeter = meter(args.pids);
  let over = false;
  const begun = Promise.withResolvers<void>();
  const poured = pour(all, args.tokens, begun.resolve).then((received) => {
    over = true;
    return { ...received, reading: stopMeter() };
  });
  const [result, others] = await Promise.all([
    poured,
    args.withOthers ? begun.promise.then(() => serveOthers(target, () => !over)) : undefined,
  ]);
  for (const conversation of all) conversation.close();
  return { ...result, ...(others && { others }) };
}

async function pour(
  conversations: readonly Conversation[],
  tokensEach: number,
  onAllBegun: () => void,
): Promise<{ tokens: number; deltas: number }> {
  let tokens = 0;
  let deltas = 0;
  let waiting = conversations.length;
  const order = { tokens: tokensEach, everyMs: 0 };
  const listen = () => {
    let isFirst = true;
    return (delta: string) => {
      tokens += countTokens(delta);
      deltas += 1;
      if (isFirst && --waiting === 0) onAllBegun();
      isFirst = false;
    };
  };
  await Promise.all(conversations.map((each) => each.ask(order, { text: listen() })));
  if (tokens !== tokensEach * conversations.length) throw new Error('tokens were lost');
  return { tokens, deltas };
}

/** Who asks meanwhile: an answer takes its time, and a p99 wants samples. */
const ASKERS = 32;
const FETCHERS = 4;

async function serveOthers(target: Target, goOn: () => boolean) {
  const [asked, ready] = await Promise.all([
    Promise.all(oneByOne(ASKERS, () => collectTimes(target, goOn))),
    Promise.all(oneByOne(FETCHERS, () => fetchReady(target.port, goOn))),
  ]);
  return {
    acknowledged: summarise(asked.flatMap(({ acknowledged }) => acknowledged)),
    ready: summarise(ready.flat()),
  };
}

/** They do not come as a herd: that would be another measurement. */
function oneByOne<Result>(count: number, begin: () => Promise<Result>): Promise<Result>[] {
  return Array.from({ length: count }, async (_, index) => {
    await sleep(index * PAUSE_MS);
    return begin();
  });
}

async function fetchReady(port: number, goOn: () => boolean): Promise<number[]> {
  const times: number[] = [];
  do {
    const sentAt = now();
    const response = await fetch(`http://127.0.0.1:${port}/readyz`);
    await response.arrayBuffer();
    times.push(now() - sentAt);
    // A balancer asks now and then; a tight loop would be load of its own.
    await sleep(PAUSE_MS);
  } while (goOn());
  return times;
}

const PAUSE_MS = 10;
