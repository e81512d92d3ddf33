/**
 * A process that stands for One-API: chat completions over SSE, at the pace that the last message
 * asks for (order.ts). Tells its parent the port that it listens on.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { now } from './clock.ts';
import { type Order, toOrder } from './order.ts';
import { every } from './pacemaker.ts';
import { announceReady } from './remote.ts';
import { stampedToken } from './token.ts';

/** Events in one write when an answer is to come as fast as it is taken. */
const BURST = 16;

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    console.error('upstream:', error);
    response.destroy();
  });
});
// A connection that rests between two measurements must not end just as it is used again.
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  announceReady(address.port);
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const order = orderOf(await text(request));
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  if (order.everyMs > 0) pace(order, response);
  else pour(order, response);
}

/** The first token at once, each further one in its own time. */
function pace({ tokens, everyMs }: Order, response: ServerResponse): void {
  let left = tokens;
  const stop = every(everyMs, () => {
    response.write(event(stampedToken(now())));
    left -= 1;
    if (left > 0) return;
    stop();
    response.end(ENDING);
  });
  response.on('close', stop);
}

/** As much as the reader takes, in writes of `BURST` events. */
function pour({ tokens }: Order, response: ServerResponse): void {
  let left = tokens;
  const write = () => {
    while (left > 0 && !response.destroyed) {
      const count = Math.min(left, BURST);
      left -= count;
      if (!response.write(event(stampedToken(now())).repeat(count))) return;
    }
    if (left === 0) response.end(ENDING);
    left = -1;
  };
  response.on('drain', write);
  write();
}

/** A chunk with the fields, and about the size, of the real ones. */
function chunk(fields: object): string {
  const common = {
    id: 'chatcmpl-BenchBenchBenchBenchBenchB',
    object: 'chat.completion.chunk',
    created: 1_750_000_000,
    model: 'bench',
    system_fingerprint: null,
  };
  return `data: ${JSON.stringify({ ...common, ...fields })}\n\n`;
}

const MARK = '@';
const [HEAD = '', TAIL = ''] = chunk({
  choices: [{ index: 0, delta: { content: MARK }, logprobs: null, finish_reason: null }],
}).split(MARK);

function event(token: string): string {
  return HEAD + token + TAIL;
}

const ENDING =
  chunk({ choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }] }) +
  chunk({ choices: [], usage: { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 } }) +
  'data: [DONE]\n\n';

/** The newest one: some gateways add messages of their own behind it, and send parts instead of a text. */
function orderOf(body: string): Order {
  const { messages }: { messages: Message[] } = JSON.parse(body);
  for (const { content } of messages.toReversed()) {
    const parts = typeof content === 'string' ? [{ text: content }] : (content ?? []);
    const order = parts.map((part) => toOrder(part.text ?? '')).find((each) => each);
    if (order) return order;
  }
  throw new Error('nobody ordered anything');
}

/** As far as it is read: only gateways that we know ask here. */
interface Message {
  content?: string | { text?: string }[] | null;
}
