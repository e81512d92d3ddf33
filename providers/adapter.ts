/**
 * What all adapters have in common: silence, aborts, failures and the order of events. An adapter
 * brings a `Dialect`: how to ask, how to read what comes, and what its SDK's errors mean.
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
import { unsendable } from './headers.ts';
import type { Framing } from './lines.ts';
import { createSilenceTimer } from './silence.ts';
import { chunksOf } from './transport.ts';
import { isText, type WireObject } from './wire.ts';

export interface Dialect {
  /** Sends the request by our `fetch`; resolves with its response once the headers are in. Its body is not touched. */
  open(request: ProviderRequest, signal: AbortSignal): Promise<Response>;
  /** How the objects of the body follow each other. */
  framing: Framing;
  /** A fresh reader for each answer. */
  reader(answer: AnswerEvents, request: ProviderRequest): ChunkReader;
  /** What an error thrown by `open`, by the body or by the reader means. */
  describe(error: unknown): UpstreamError;
}

export interface ChunkReader {
  /** Reports what the chunk holds; throws if it is an error that travels in the stream. */
  read(chunk: WireObject): void;
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
export function defineAdapter(endpoint: ProviderEndpoint, dialect: Dialect): ProviderAdapter {
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

async function* streamAnswer(
  endpoint: ProviderEndpoint,
  dialect: Dialect,
  original: ProviderRequest,
  upstream: AbortController,
): AsyncGenerator<ProviderEvent, undefined> {
  const fitted = fitToModel(original);
  const obstacle = 'lacks' in fitted ? fitted.lacks : unsendable(endpoint);
  if ('lacks' in fitted || obstacle !== undefined) {
    yield { type: 'error', failure: failure(endpoint, original, 'bad_request', obstacle) };
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
  let body: AsyncIterator<Buffer> | undefined;
  let drained = false;
  /** Whether something came that is a part of the answer. */
  let heard = true;
  const stream = dialect.framing((object) => {
    heard = true;
    reader.read(object);
  });
  let terminal: ProviderEvent;
  try {
    upstream.signal.throwIfAborted();
    silence.expect();
    const response = await dialect.open(request, upstream.signal);
    silence.heard();
    phase = 'first token';
    body = chunksOf(response)[Symbol.asyncIterator]();
    for (let isOver = false; !isOver; ) {
      if (heard) silence.expect();
      heard = false;
      const piece = await body.next();
      upstream.signal.throwIfAborted();
      if (piece.done) stream.end();
      isOver = piece.done || stream.push(piece.value);
      if (heard) silence.heard();
      for (const event of answer.take()) yield event;
      upstream.signal.throwIfAborted();
    }
    drained = true;
    terminal = ended(endpoint, request, answer, reader.stopReason());
  } catch (error) {
    if (answer.spoke()) phase = 'tokens';
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
    body?.return?.().catch(ignore);
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
  const full = cutInSilence(request, answer, stopReason);
  if (full !== undefined) {
    return { type: 'error', failure: failure(endpoint, request, 'context_length', full) };
  }
  if (stopReason !== undefined) return { type: 'done', stopReason };
  const sentence = answer.spoke()
    ? 'ended the connection before the answer was complete: it was cut off'
    : 'ended the connection without an answer: it was cut off';
  return { type: 'error', failure: failure(endpoint, request, 'unavailable', sentence) };
}

/** Some servers cut a prompt that is too long without a word; the count betrays them. */
function cutInSilence(
  { model }: ProviderRequest,
  answer: AnswerEvents,
  stopReason: StopReason | undefined,
): string | undefined {
  const { contextWindow, fullContextWindow = Number.POSITIVE_INFINITY } = model;
  const prompt = answer.promptTokens();
  if (stopReason === 'length' && !answer.spoke() && prompt >= contextWindow * 0.99) {
    return 'had no room left for an answer: the conversation fills its context window';
  }
  if (stopReason === 'stop' && prompt > fullContextWindow) {
    return 'cannot have read the whole conversation: it is longer than the context window';
  }
  return undefined;
}

function broken(
  endpoint: ProviderEndpoint,
  request: ProviderRequest,
  reader: ChunkReader,
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
  if (isText(upstream.text)) endpoint.onUpstreamText?.(upstream.text);
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
