/**
 * What all adapters have in common: silence, aborts, failures and the order of events. An adapter
 * brings a `Dialect`: how to ask, how to read what comes, and what its SDK's errors mean.
 */

import { type AnswerEvents, createAnswerEvents } from './answer-events.ts';
import { fitToModel } from './capabilities.ts';
import type {
  ModelInfo,
  ProviderAdapter,
  ProviderEndpoint,
  ProviderEvent,
  ProviderRequest,
  StopReason,
} from './contract.ts';
import type { ProviderFailure } from './errors.ts';
import { classify, failure, type UpstreamError } from './failures.ts';
import { unsendable } from './headers.ts';
import type { Framing, StreamReader } from './lines.ts';
import { pulled, type Take } from './pulled.ts';
import { createSilenceTimer, type SilenceTimer } from './silence.ts';
import { bodyOf } from './transport.ts';
import { isText, type WireObject } from './wire.ts';

export interface Dialect {
  /** Sends the request by our `fetch`; resolves with its response once the headers are in. Its body is not touched. */
  open(request: ProviderRequest, signal: AbortSignal): Promise<Response>;
  /** How the objects of the body follow each other. */
  framing: Framing;
  /** A fresh reader for each answer. */
  reader(answer: AnswerEvents, model: ModelInfo): ChunkReader;
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

/**
 * Whoever holds this lets go of the conversation when upstream has it, and does not keep it for as long as the answer
 * comes: that would be its text in two forms and its images in three, for each answer under way.
 */
interface Asked {
  request: ProviderRequest | undefined;
}

/** Turns a dialect into an adapter for one endpoint. */
export function defineAdapter(endpoint: ProviderEndpoint, dialect: Dialect): ProviderAdapter {
  return (request) => {
    const asked: Asked = { request };
    const stream = (upstream: AbortController, take: Take<ProviderEvent>) =>
      streamAnswer(endpoint, dialect, asked, upstream, take);
    return {
      async forEach(take) {
        const upstream = new AbortController();
        // The taker's own error is not upstream's.
        let thrown: { error: unknown } | undefined;
        await stream(upstream, (event) => {
          try {
            if (!thrown) take(event);
          } catch (error) {
            thrown = { error };
            upstream.abort('caller' satisfies Cause);
          }
          return undefined;
        });
        if (thrown) throw thrown.error;
      },
      [Symbol.asyncIterator]() {
        const upstream = new AbortController();
        return pulled({
          run: (take) => stream(upstream, take),
          cancel: () => upstream.abort('caller' satisfies Cause),
        });
      },
    };
  };
}

async function streamAnswer(
  endpoint: ProviderEndpoint,
  dialect: Dialect,
  asked: Asked,
  upstream: AbortController,
  take: Take<ProviderEvent>,
): Promise<void> {
  const call = fit(endpoint, asked);
  if ('obstacle' in call) {
    void take({
      type: 'error',
      failure: failure(endpoint, call.model, 'bad_request', call.obstacle),
    });
    return;
  }
  const { model, signal } = call;
  const abort = () => upstream.abort('caller' satisfies Cause);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  const silence = createSilenceTimer(endpoint.silenceMs, () => {
    upstream.abort('silence' satisfies Cause);
  });
  const answer = createAnswerEvents();
  const reader = dialect.reader(answer, model);
  const parts = { answer, reader, silence, take };
  const reading = new Reading(dialect.framing, parts, upstream.signal);
  let phase: Phase = 'headers';
  let terminal: ProviderEvent;
  try {
    upstream.signal.throwIfAborted();
    silence.expect();
    const response = await open(dialect, asked, upstream.signal);
    silence.expect();
    phase = 'first token';
    await bodyOf(response).forEach((piece) => reading.takePiece(piece));
    upstream.signal.throwIfAborted();
    reading.end();
    terminal = ended(endpoint, model, answer, reader.stopReason());
  } catch (error) {
    if (answer.spoke()) phase = 'tokens';
    terminal = broken(endpoint, model, reader, {
      cause: upstream.signal.aborted ? upstream.signal.reason : undefined,
      phase,
      upstream: () => (error instanceof UpstreamFault ? error.upstream : dialect.describe(error)),
    });
  } finally {
    silence.stop();
    signal.removeEventListener('abort', abort);
    // The connection of a whole answer is kept for the next call; any other is closed now.
    if (!reading.isWhole()) upstream.abort('caller' satisfies Cause);
  }
  answer.finish();
  void handOn(answer, take);
  void take(terminal);
}

/** Makes of what is asked what the model can take; what is needed of it for as long as the answer comes. */
function fit(
  endpoint: ProviderEndpoint,
  asked: Asked,
): { model: ModelInfo; signal: AbortSignal } | { model: ModelInfo; obstacle: string } {
  const { request } = asked;
  if (!request) throw new Error('an answer is streamed once');
  const { model, signal } = request;
  const fitted = fitToModel(request);
  const obstacle = 'lacks' in fitted ? fitted.lacks : unsendable(endpoint);
  if ('lacks' in fitted || obstacle !== undefined) return { model, obstacle: obstacle ?? '' };
  asked.request = fitted.request;
  return { model, signal };
}

function open(dialect: Dialect, asked: Asked, signal: AbortSignal): Promise<Response> {
  const { request } = asked;
  asked.request = undefined;
  if (!request) throw new Error('an answer is streamed once');
  return dialect.open(request, signal);
}

interface ReadingParts {
  answer: AnswerEvents;
  reader: ChunkReader;
  silence: SilenceTimer;
  take: Take<ProviderEvent>;
}

/** From bytes to events. What is not a part of the answer ends no silence. */
class Reading {
  readonly #parts: ReadingParts;
  readonly #signal: AbortSignal;
  readonly #stream: StreamReader;
  #isWhole = false;
  #heard = false;

  constructor(framing: Framing, parts: ReadingParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
    this.#stream = framing((object) => {
      this.#heard = true;
      parts.reader.read(object);
    });
  }

  takePiece(piece: Buffer): boolean | Promise<void> {
    const { answer, silence, take } = this.#parts;
    this.#signal.throwIfAborted();
    this.#isWhole = this.#stream.push(piece);
    if (this.#heard) silence.heard();
    const asked = handOn(answer, take);
    this.#signal.throwIfAborted();
    if (this.#isWhole) return true;
    if (asked) return asked.then(() => this.#expectMore());
    this.#expectMore();
    return false;
  }

  /** The response has ended. */
  end(): void {
    if (!this.#isWhole) this.#stream.end();
    this.#isWhole = true;
  }

  isWhole(): boolean {
    return this.#isWhole;
  }

  #expectMore(): void {
    if (this.#heard) this.#parts.silence.expect();
    this.#heard = false;
  }
}

/** The taker's last word counts: when it wants more. */
function handOn(answer: AnswerEvents, take: Take<ProviderEvent>): Promise<void> | undefined {
  let asked: Promise<void> | undefined;
  for (const event of answer.take()) asked = take(event);
  return asked;
}

type Phase = 'headers' | 'first token' | 'tokens';

function ended(
  endpoint: ProviderEndpoint,
  model: ModelInfo,
  answer: AnswerEvents,
  stopReason: StopReason | undefined,
): ProviderEvent {
  const full = cutInSilence(model, answer, stopReason);
  if (full !== undefined) {
    return { type: 'error', failure: failure(endpoint, model, 'context_length', full) };
  }
  if (stopReason !== undefined) return { type: 'done', stopReason };
  const sentence = answer.spoke()
    ? 'ended the connection before the answer was complete: it was cut off'
    : 'ended the connection without an answer: it was cut off';
  return { type: 'error', failure: failure(endpoint, model, 'unavailable', sentence) };
}

/** Some servers cut a prompt that is too long without a word; the count betrays them. */
function cutInSilence(
  model: ModelInfo,
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
  model: ModelInfo,
  reader: ChunkReader,
  how: { cause: unknown; phase: Phase; upstream: () => UpstreamError },
): ProviderEvent {
  if (how.cause === 'caller') {
    return { type: 'error', failure: failure(endpoint, model, 'aborted') };
  }
  // The model had ended: what is missing after that (usage, the end marker) is no loss of text.
  const stopReason = reader.stopReason();
  if (stopReason !== undefined) return { type: 'done', stopReason };
  const upstream = how.upstream();
  // Who fell silent while it explained a status has told the status.
  if (how.cause === 'silence' && upstream.status === undefined) {
    return { type: 'error', failure: silent(endpoint, model, how.phase) };
  }
  if (isText(upstream.text)) endpoint.onUpstreamText?.(upstream.text);
  if (how.phase !== 'headers' && upstream.network !== undefined && !upstream.known) {
    const sentence = 'broke the connection before the answer was complete: it was cut off';
    return { type: 'error', failure: failure(endpoint, model, 'unavailable', sentence) };
  }
  return { type: 'error', failure: classify(endpoint, model, upstream) };
}

function silent(endpoint: ProviderEndpoint, model: ModelInfo, phase: Phase): ProviderFailure {
  const seconds = `${endpoint.silenceMs / 1000} s`;
  const sentence = {
    headers: `did not answer within ${seconds}`,
    'first token': `accepted the request but sent nothing for ${seconds}`,
    tokens: `fell silent in mid-answer for ${seconds}`,
  }[phase];
  return failure(endpoint, model, 'timeout', sentence);
}
