/**
 * What all adapters have in common: silence, aborts, failures and the order of events. An adapter
 * brings a `Dialect`: how to ask, how to read a chunk, and what its SDK's errors mean.
 */

import { type AnswerEvents, createAnswerEvents } from './answer-events.ts';
import { fitToModel } from './capabilities.ts';
import type {
  ProviderAdapter,
  ProviderEndpoint,
  ProviderEvent,
  ProviderRequest,
  StopReason,
} from './contract.ts';
import type { ProviderFailure } from './errors.ts';
import { classify, failure, type UpstreamError } from './failures.ts';
import { createSilenceTimer } from './silence.ts';

export interface Dialect<Chunk> {
  /** Sends the request; resolves with the answer's chunks once the headers are in. */
  open(request: ProviderRequest, signal: AbortSignal): Promise<AsyncIterable<Chunk>>;
  /** A fresh reader for each answer. */
  reader(answer: AnswerEvents, request: ProviderRequest): ChunkReader<Chunk>;
  /** What an error thrown by `open`, by the chunks or by the reader means. */
  describe(error: unknown): UpstreamError;
}

export interface ChunkReader<Chunk> {
  /** Reports what the chunk holds; throws if it is an error that travels in the stream. */
  read(chunk: Chunk): void;
  /** Why the model ended, or nothing as long as it has not: then an end is a cut. */
  stopReason(): StopReason | undefined;
}

/** An error that a dialect raises itself, when its SDK sees nothing wrong. */
export class UpstreamFault extends Error {
  override readonly name = 'UpstreamFault';
  readonly upstream: UpstreamError;
  constructor(upstream: UpstreamError) {
    super('upstream fault');
    this.upstream = upstream;
  }
}

type Cause = 'caller' | 'silence';

/** Turns a dialect into an adapter for one endpoint. */
export function defineAdapter<Chunk>(
  endpoint: ProviderEndpoint,
  dialect: Dialect<Chunk>,
): ProviderAdapter {
  return (request) => ({
    [Symbol.asyncIterator]() {
      const upstream = new AbortController();
      const events = streamAnswer(endpoint, dialect, request, upstream);
      return {
        next: () => events.next(),
        // A generator would first wait for the token that it is waiting for.
        return() {
          upstream.abort('caller' satisfies Cause);
          return events.return(undefined);
        },
      };
    },
  });
}

async function* streamAnswer<Chunk>(
  endpoint: ProviderEndpoint,
  dialect: Dialect<Chunk>,
  original: ProviderRequest,
  upstream: AbortController,
): AsyncGenerator<ProviderEvent, undefined> {
  const fitted = fitToModel(original);
  if ('lacks' in fitted) {
    yield { type: 'error', failure: failure(endpoint, original, 'bad_request', fitted.lacks) };
    return;
  }
  const { request } = fitted;
  const abort = () => upstream.abort('caller' satisfies Cause);
  if (request.signal.aborted) abort();
  else request.signal.addEventListener('abort', abort, { once: true });
  const silence = createSilenceTimer(endpoint.silenceMs, () => {
    upstream.abort('silence' satisfies Cause);
  });
  const answer = createAnswerEvents();
  const reader = dialect.reader(answer, request);
  let phase: Phase = 'headers';
  let iterator: AsyncIterator<Chunk> | undefined;
  let drained = false;
  let terminal: ProviderEvent;
  try {
    upstream.signal.throwIfAborted();
    silence.expect();
    const chunks = await dialect.open(request, upstream.signal);
    silence.heard();
    phase = 'first token';
    iterator = chunks[Symbol.asyncIterator]();
    for (;;) {
      silence.expect();
      const chunk = await iterator.next();
      silence.heard();
      // Some SDKs end without an error when they are aborted.
      upstream.signal.throwIfAborted();
      if (chunk.done) break;
      reader.read(chunk.value);
      for (const event of answer.take()) yield event;
      if (answer.spoke()) phase = 'tokens';
      upstream.signal.throwIfAborted();
    }
    drained = true;
    terminal = ended(endpoint, request, answer, reader.stopReason());
  } catch (error) {
    terminal = broken(endpoint, request, reader, {
      cause: upstream.signal.aborted ? upstream.signal.reason : undefined,
      phase,
      upstream: () => (error instanceof UpstreamFault ? error.upstream : dialect.describe(error)),
    });
  } finally {
    silence.stop();
    request.signal.removeEventListener('abort', abort);
    // A drained answer's connection is kept for the next call; any other is closed now.
    if (!drained) upstream.abort('caller' satisfies Cause);
    iterator?.return?.().catch(ignore);
  }
  answer.finish();
  for (const event of answer.take()) yield event;
  yield terminal;
}

type Phase = 'headers' | 'first token' | 'tokens';

function ended(
  endpoint: ProviderEndpoint,
  request: ProviderRequest,
  answer: AnswerEvents,
  stopReason: StopReason | undefined,
): ProviderEvent {
  if (stopReason === 'length' && !answer.spoke() && fills(request, answer.promptTokens())) {
    const full = 'had no room left for an answer: the conversation fills its context window';
    return { type: 'error', failure: failure(endpoint, request, 'context_length', full) };
  }
  if (stopReason !== undefined) return { type: 'done', stopReason };
  const sentence = answer.spoke()
    ? 'ended the connection before the answer was complete: it was cut off'
    : 'ended the connection without an answer: it was cut off';
  return { type: 'error', failure: failure(endpoint, request, 'unavailable', sentence) };
}

/** Some servers cut a prompt that is too long without a word; the count betrays them. */
function fills(request: ProviderRequest, promptTokens: number): boolean {
  return promptTokens >= request.model.contextWindow * 0.99;
}

function broken<Chunk>(
  endpoint: ProviderEndpoint,
  request: ProviderRequest,
  reader: ChunkReader<Chunk>,
  how: { cause: unknown; phase: Phase; upstream: () => UpstreamError },
): ProviderEvent {
  if (how.cause === 'caller') {
    return { type: 'error', failure: failure(endpoint, request, 'aborted') };
  }
  // The model had ended: what is missing after that (usage, the end marker) is no loss of text.
  const stopReason = reader.stopReason();
  if (stopReason !== undefined) return { type: 'done', stopReason };
  if (how.cause === 'silence')
    return { type: 'error', failure: silent(endpoint, request, how.phase) };
  const upstream = how.upstream();
  if (how.phase !== 'headers' && upstream.network !== undefined && !upstream.known) {
    const sentence = 'broke the connection before the answer was complete: it was cut off';
    return { type: 'error', failure: failure(endpoint, request, 'unavailable', sentence) };
  }
  return { type: 'error', failure: classify(endpoint, request, upstream) };
}

function silent(
  endpoint: ProviderEndpoint,
  request: ProviderRequest,
  phase: Phase,
): ProviderFailure {
  const seconds = `${endpoint.silenceMs / 1000} s`;
  const sentence = {
    headers: `did not answer within ${seconds}`,
    'first token': `accepted the request but sent nothing for ${seconds}`,
    tokens: `fell silent in mid-answer for ${seconds}`,
  }[phase];
  return failure(endpoint, request, 'timeout', sentence);
}

function ignore(): void {
  // The stream is over for us; how its iterator takes leave is of no interest.
}
