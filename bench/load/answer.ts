/** One question and its answer, as the asking page sees it. */

import { randomUUID } from 'node:crypto';
import { now } from '../clock.ts';
import { type Order, toMessage } from '../order.ts';
import { type Summary, summarise } from '../statistics.ts';
import { countTokens } from '../token.ts';
import { type ClientKind, type Frame, openClient } from './client.ts';

export interface AnswerArgs {
  port: number;
  kind?: ClientKind;
  sessionKey: string;
  order: Order;
}

export interface AnswerResult {
  /** Milliseconds from the send. */
  firstDeltaMs: number;
  deltas: number;
  /** Milliseconds between a delta and the next; an answer of one delta has none. */
  cadence?: Summary;
  /** From the send to the event that ends the answer: everything. */
  bytes: number;
}

export async function answer(args: AnswerArgs): Promise<AnswerResult> {
  const { port, kind, sessionKey, order } = args;
  const ended = Promise.withResolvers<void>();
  const arrivals: number[] = [];
  let text = '';
  const onEvent = ({ event, payload }: Frame) => {
    if (event !== 'chat') return;
    if (payload.state === 'error') ended.reject(new Error(payload.errorMessage));
    if (payload.state === 'final') ended.resolve();
    if (payload.state !== 'delta') return;
    arrivals.push(now());
    text = (payload.replace ? '' : text) + (payload.deltaText ?? '');
  };
  const client = await openClient({
    port,
    ...(kind && { kind }),
    onEvent,
    onLost: ended.reject,
  });
  const before = client.bytesRead();
  const sentAt = now();
  const message = toMessage(order);
  await client.request('chat.send', { sessionKey, message, idempotencyKey: randomUUID() });
  await ended.promise;
  const bytes = client.bytesRead() - before;
  client.close();
  // Some cut off the space at the end.
  const tokens = Math.round(countTokens(text));
  if (tokens !== order.tokens) throw new Error(`${tokens} tokens came instead of ${order.tokens}`);
  const gaps = arrivals.slice(1).map((at, index) => at - (arrivals[index] ?? at));
  return {
    firstDeltaMs: (arrivals[0] ?? Number.NaN) - sentAt,
    deltas: arrivals.length,
    ...(gaps.length > 0 && { cadence: summarise(gaps) }),
    bytes,
  };
}
