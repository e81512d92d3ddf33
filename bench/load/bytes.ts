/** One answer, counted in bytes on the browser's side of the wire. */

import { randomUUID } from 'node:crypto';
import { toMessage } from '../order.ts';
import { countTokens } from '../token.ts';
import { type Frame, openClient } from './client.ts';

export interface BytesArgs {
  port: number;
  /** Tokens of each answer; they come side by side, each to a user of its own. */
  lengths: readonly number[];
  everyMs: number;
}

export interface AnswerBytes {
  /** From the send to the event that ends the answer: everything, frame heads included. */
  bytes: number;
  /** What the deltas that came would have taken with nothing in them but what the protocol asks for. */
  minimalBytes: number;
  deltas: number;
}

export async function bytes({ port, lengths, everyMs }: BytesArgs) {
  return { answers: await Promise.all(lengths.map((tokens) => oneAnswer(port, tokens, everyMs))) };
}

async function oneAnswer(port: number, tokens: number, everyMs: number): Promise<AnswerBytes> {
  const ended = Promise.withResolvers<void>();
  const received = { tokens: 0, deltas: 0, minimalBytes: 0 };
  const onEvent = ({ event, payload }: Frame) => {
    if (event !== 'chat') return;
    if (payload.state === 'error') ended.reject(new Error(payload.errorMessage));
    if (payload.state === 'final') ended.resolve();
    if (payload.state !== 'delta') return;
    received.tokens += countTokens(payload.deltaText ?? '');
    received.deltas += 1;
    received.minimalBytes += minimalBytes(payload);
  };
  const client = await openClient({ port, onEvent, onLost: ended.reject });
  const before = client.bytesRead();
  await client.request('chat.send', {
    sessionKey: `bench-${tokens}`,
    message: toMessage({ tokens, everyMs }),
    idempotencyKey: randomUUID(),
  });
  await ended.promise;
  const total = client.bytesRead() - before;
  client.close();
  if (received.tokens !== tokens) throw new Error('tokens were lost');
  return { bytes: total, minimalBytes: received.minimalBytes, deltas: received.deltas };
}

/** Of a delta with the fields that the published schema requires, and its WebSocket head. */
function minimalBytes({ runId, sessionKey, seq, deltaText }: Frame['payload']): number {
  const payload = { runId, sessionKey, seq, state: 'delta', deltaText };
  const length = Buffer.byteLength(JSON.stringify({ type: 'event', event: 'chat', payload }));
  return length + (length < 126 ? 2 : length < 65_536 ? 4 : 10);
}
