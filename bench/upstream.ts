/**
 * A process that stands for One-API: chat completions over SSE, at the pace that the last message
 * asks for (order.ts). Tells its parent the port that it listens on.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { now } from './clock.ts';
import { type Order, toOrder } from './order.ts';
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
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  announceReady(address.port);
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const order = toOrder(lastMessage(await text(request)));
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  if (order.everyMs > 0) pace(order, response);
  else pour(order, response);
}

/** The first token at once, each further one in its own time. */
function pace({ tokens, everyMs }: Order, response: ServerResponse): void {
  let left = tokens;
  const speak = () => {
    response.write(event(stampedToken(now())));
    left -= 1;
    if (left > 0) return;
    clearInterval(timer);
    response.end(ENDING);
  };
  const timer = setInterval(speak, everyMs);
  response.on('close', () => clearInterval(timer));
  speak();
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

/** Only our own clients ask here: what they send has this shape. */
function lastMessage(body: string): string {
  const { messages }: { messages: { content: string }[] } = JSON.parse(body);
  return messages.at(-1)?.content ?? '';
}
