/** A minimal client of the mock upstream: raw node:http, and a parser for exactly its events. */

import { type Agent, request } from 'node:http';

export interface CompletionRequest {
  port: number;
  agent: Agent;
  message: string;
  signal?: AbortSignal;
  onText: (text: string) => void;
}

export interface Completion {
  /** Resolves at the answer's end, or when it was stopped. */
  done: Promise<void>;
  /** Closes the connection. */
  stop(): void;
}

export function postCompletion(options: CompletionRequest): Completion {
  const { port, agent, message, signal, onText } = options;
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  let stopped = false;
  const outgoing = request({
    host: '127.0.0.1',
    port,
    agent,
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json' },
  });
  const stop = () => {
    stopped = true;
    outgoing.destroy();
    resolve();
  };
  signal?.addEventListener('abort', stop, { once: true });
  outgoing.on('error', (error) => {
    if (!stopped) reject(error);
  });
  outgoing.on('response', (response) => {
    const read = eventReader(onText);
    response.setEncoding('utf8');
    response.on('data', read);
    response.on('end', resolve);
    response.on('error', (error) => {
      if (!stopped) reject(error);
    });
  });
  const messages = [{ role: 'user', content: message }];
  outgoing.end(JSON.stringify({ model: 'bench', stream: true, messages }));
  return { done, stop };
}

/** The upstream's shape is known: anything else would be an error of the benchmark. */
interface Chunk {
  choices: { delta: { content?: string } }[];
}

function eventReader(onText: (text: string) => void): (piece: string) => void {
  let rest = '';
  return (piece) => {
    const text = rest + piece;
    let from = 0;
    for (;;) {
      const end = text.indexOf('\n\n', from);
      if (end === -1) break;
      const data = text.slice(from + 'data: '.length, end);
      from = end + 2;
      if (data === '[DONE]') continue;
      const chunk: Chunk = JSON.parse(data);
      const delta = chunk.choices[0]?.delta.content;
      if (delta) onText(delta);
    }
    rest = text.slice(from);
  };
}
