/** A client that stops reading delays nobody, loses nothing that it may still read, and costs a bounded amount. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connectClient, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';
import { undisturbed } from '../support/neighbour.ts';
import {
  DONE,
  events,
  finish,
  gate,
  role,
  says,
  startOpenAiUpstream,
  text,
  type Upstream,
} from '../support/upstream/openai.ts';

/** More than the kernel's buffers of one connection hold, on both ends together. */
const CHUNKS = 300;
const CHUNK_CHARS = 64 * 1024;
const TOTAL_CHARS = CHUNKS * CHUNK_CHARS;

/** Each piece differs, so that one lost, doubled or misplaced is seen. */
const chunk = (index: number) => `${index}:`.padEnd(CHUNK_CHARS, String(index % 10));

let upstream: Upstream;
let gateway: SharedGateway;
let small: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  const share = (limits: object) =>
    shareGateway({
      config: testConfig({
        upstream: upstream.url,
        gateway: { limits: { maxAnswerChars: 2 * TOTAL_CHARS, ...limits } },
      }),
    });
  [gateway, small] = await Promise.all([share({}), share({ maxBufferedBytes: 65_536 })]);
});
afterAll(async () => {
  await Promise.all([gateway.stop(), small.stop()]);
  await upstream.close();
});

/** Scripts an answer that is larger than any buffer and ends when the gate opens. */
function longAnswer(trigger: string) {
  const hold = gate();
  const pieces = Array.from({ length: CHUNKS }, (_, index) => text(chunk(index)));
  upstream.when(says(trigger), events(role(), ...pieces, hold.promise, finish('stop'), DONE));
  return { hold, whole: Array.from({ length: CHUNKS }, (_, index) => chunk(index)).join('') };
}

/** Two tabs of one user, the first of which does not read; resolves when the other has all that was streamed. */
async function streamPast(port: number, trigger: string) {
  const user = `reader-${crypto.randomUUID()}`;
  const stalled = await connectClient({ port, user });
  const reader = await connectClient({ port, user });
  stalled.socket.pause();
  const params = { sessionKey: 'main', message: trigger, idempotencyKey: trigger };
  await reader.request('chat.send', params);
  await received(reader, trigger);
  return { user, stalled, reader };
}

/** Resolves when the deltas of a run add up to the long answer. */
async function received(client: Client, runId: string): Promise<void> {
  let length = 0;
  await client.frame(({ event, payload }) => {
    if (event === 'chat' && payload.runId === runId) length += payload.deltaText?.length ?? 0;
    return length >= TOTAL_CHARS;
  });
}

const deltas = (client: Client, runId: string) =>
  client.chatEvents(runId).filter((each) => each.state === 'delta').length;

const messageText = (message: Json) => message.content.map((block: Json) => block.text).join('');

describe('a tab that stops reading', () => {
  test('does not delay the other tab, and gets what it missed, merged, when it reads again', async () => {
    const { hold, whole } = longAnswer('resumes');
    const { stalled, reader } = await streamPast(gateway.port, 'resumes');
    stalled.socket.resume();
    await received(stalled, 'resumes');
    hold.open();
    await reader.event('chat', (each) => each.state === 'final');
    const final = await stalled.event('chat', (each) => each.state === 'final');

    expect(reader.text('resumes') === whole).toBe(true);
    expect(stalled.text('resumes') === whole).toBe(true);
    expect(messageText(final.message) === whole).toBe(true);
    expect(deltas(stalled, 'resumes')).toBeLessThan(CHUNKS / 2);
    const seqs = stalled.frames.filter((frame) => 'seq' in frame).map((frame) => frame.seq);
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));
  });

  test('and never reads again is closed as a slow consumer; history has the answer', async () => {
    const { hold, whole } = longAnswer('is closed');
    const { user, stalled, reader } = await streamPast(small.port, 'is closed');
    hold.open();
    await reader.event('chat', (each) => each.state === 'final');
    await small.logged('disconnected', { user, code: 1008 });
    expect(reader.text('is closed') === whole).toBe(true);

    stalled.socket.resume();
    expect(await stalled.closed).toEqual({ code: 1008, reason: 'slow consumer' });
    const back = await connectClient({ port: small.port, user });
    const { messages } = await back.request('chat.history', { sessionKey: 'main', limit: 1 });
    const { message } = await back.request('chat.message.get', {
      sessionKey: 'main',
      messageId: messages[0].__openclaw.id,
    });
    expect(messageText(message) === whole).toBe(true);
  });
});

test('a client that asks and does not read the answers is closed, and nobody notices', async () => {
  const user = `glutton-${crypto.randomUUID()}`;
  upstream.when(says('a large answer'), events(role(), text(chunk(7)), finish('stop'), DONE));
  const client = await connectClient({ port: small.port, user });
  await client.say('main', 'a large answer');
  await undisturbed({ port: small.port, upstream }, async () => {
    client.socket.pause();
    // 300 answers of 64 KiB each: beyond what the kernel takes, and far beyond what may wait.
    for (let id = 0; id < 300; id += 1) {
      const frame = { type: 'req', id: `h${id}`, method: 'chat.history' };
      client.sendRaw(JSON.stringify({ ...frame, params: { sessionKey: 'main' } }));
    }
    await small.logged('disconnected', { user, code: 1008 });
  });
  client.socket.resume();
  expect(await client.closed).toEqual({ code: 1008, reason: 'slow consumer' });
});
