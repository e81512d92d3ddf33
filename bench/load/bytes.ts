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
  /** What the deltas that came would have taken with nothing in them that the protocol lets one leave out. */
  minimalBytes: number;
  /** The same with only what the published schema cannot do without. */
  requiredBytes: number;
  deltas: number;
}

export async function bytes({ port, lengths, everyMs }: BytesArgs) {
  return { answers: await Promise.all(lengths.map((tokens) => oneAnswer(port, tokens, everyMs))) };
}

async function oneAnswer(port: number, tokens: number, everyMs: number): Promise<AnswerBytes> {
  const ended = Promise.withResolvers<void>();
  const received = { tokens: 0, deltas: 0, minimalBytes: 0, requiredBytes: 0 };
  const onEvent = ({ event, payload, seq: count }: Frame) => {
    if (event !== 'chat') return;
    if (payload.state === 'error') ended.reject(new Error(payload.errorMessage));
    if (payload.state === 'final') ended.resolve();
    if (payload.state !== 'delta') return;
    received.tokens += countTokens(payload.deltaText ?? '');
    received.deltas += 1;
    const { runId, sessionKey, agentId, seq, deltaText } = payload;
    const required = { runId, sessionKey, seq, state: 'delta', deltaText };
    const minimal = { runId, sessionKey, agentId, seq, state: 'delta', deltaText };
    received.requiredBytes += weight({ type: 'event', event: 'chat', payload: required });
    received.minimalBytes += weight({
      type: 'event',
      event: 'chat',
      payload: minimal,
      seq: count,
    });
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
  const { tokens: counted, ...others } = received;
  if (counted !== tokens) throw new Error('tokens were lost');
  return { bytes: total, ...others };
}

/** With its WebSocket head. */
function weight(frame: object): number {
  const length = Buffer.byteLength(JSON.stringify(frame));
  return length + (length < 126 ? 2 : length < 65_536 ? 4 : 10);
}
