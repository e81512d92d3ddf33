/** Calls the first model of a chain that answers: retries and failover, before the first token only. */

import { type Permit, report } from '../providers/breaker.ts';
import { fitToModel } from '../providers/capabilities.ts';
import type { ProviderEvent, ProviderRequest, StopReason } from '../providers/contract.ts';
import type { ProviderFailure } from '../providers/errors.ts';
import type { Admission } from '../providers/fair-queue.ts';
import { retryDelay } from '../providers/retry.ts';
import type { ConfiguredModel } from './definition.ts';
import type { Endpoint, EndpointSource } from './endpoints.ts';
import { createRequestMemory } from './request-memory.ts';

export interface ModelCall {
  /** Tried in this order; never empty. */
  models: readonly ConfiguredModel[];
  /** Built for each model that is tried: the context depends on its window. */
  request: (model: ConfiguredModel) => ProviderRequest;
  signal: AbortSignal;
  /** Whose turn it is where calls have to wait: the user. */
  turnOf: string;
  /** Names the run in the log. */
  runId: string;
  /** How much of the store the request may hold. */
  bytes: number;
  /** Told which model is tried now. */
  onModel: (model: ConfiguredModel) => void;
  /** Called for every event but the terminal one, synchronously, in order. */
  onEvent: (event: StreamEvent) => void;
}

export type StreamEvent = Exclude<ProviderEvent, { type: 'done' | 'error' }>;

export type ModelResult =
  | { type: 'done'; stopReason: StopReason }
  | { type: 'error'; failure: ProviderFailure };

/** Never rejects for anything an upstream does. */
export type ModelCaller = (call: ModelCall) => Promise<ModelResult>;

export interface ModelCallerOptions {
  endpoint: EndpointSource;
  /** The model as it is configured now, if it still is: an edit may come while a call waits for its turn. */
  current?: (model: ConfiguredModel) => ConfiguredModel;
  /** What was tried in vain, for the log. Ids, kinds and times; no message text. */
  log: (fields: object) => void;
  /** Uniform in [0, 1): jitter. */
  random?: () => number;
  /** Bytes of requests that may be under way at once; those below 1 MiB are not counted. */
  maxRequestBytes?: number;
  /** Resolves with true after that many milliseconds, with false as soon as the signal aborts. */
  pause?: (ms: number, signal: AbortSignal) => Promise<boolean>;
}

/**
 * Of requests that upstreams have not taken yet: in base64 and JSON they are in memory more than once, and a model
 * takes seconds to read images. Beyond that they wait, or a few dozen conversations with pictures would fill the heap.
 */
const MAX_REQUEST_BYTES = 256 * 1024 * 1024;
const LARGE_BYTES = 1024 * 1024;

interface Attempt {
  result: ModelResult;
  /** Something of the answer was streamed: from here on, a failure is final. */
  answered: boolean;
  /** Nothing was sent: it was not this model's turn. */
  refused?: boolean;
  /** Nothing was sent: the model cannot take what is asked of it. */
  unfit?: boolean;
}

export function createModelCaller(options: ModelCallerOptions): ModelCaller {
  const {
    log,
    random = Math.random,
    pause = waited,
    current = (model) => model,
    maxRequestBytes = MAX_REQUEST_BYTES,
  } = options;
  const memory = createRequestMemory(maxRequestBytes);

  /** One call, if the endpoint may be called now, when it is its turn, and when there is room for the request. */
  async function attemptOnce(
    configured: ConfiguredModel,
    call: ModelCall,
    isLast: boolean,
  ): Promise<Attempt> {
    const before = current(configured);
    const { breaker, queue } = await options.endpoint(before);
    // Nobody waits for a turn at an endpoint that is left alone.
    if (!isLast && breaker.state() === 'open') return notSent(resting(before));
    const turn = () => queue.enter(call.turnOf, call.signal);
    if (call.bytes < LARGE_BYTES) {
      return withAdmission(turn(), before, () => send(current(before), call, isLast));
    }
    // The endpoint's share before the turn: who waits for it takes no place that small requests would wait for. Of the
    // whole, which others wait for too, nobody holds anything before it is needed.
    const { id } = before.endpoint;
    const share = memory.share(id, call.turnOf, call.signal, call.bytes);
    return withAdmission(share, before, (leaveShare) =>
      withAdmission(turn(), before, () => {
        const whole = memory.whole(call.turnOf, call.signal, call.bytes);
        return withAdmission(whole, before, (leaveWhole) => {
          const onEvent = (event: StreamEvent) => {
            // Upstream has it, and here it was let go. Not when it is written: it is kept for a second try until then.
            leaveWhole();
            leaveShare();
            call.onEvent(event);
          };
          return send(current(before), { ...call, onEvent }, isLast);
        });
      }),
    );
  }

  async function send(model: ConfiguredModel, call: ModelCall, isLast: boolean): Promise<Attempt> {
    const endpoint = await options.endpoint(model);
    const permit = endpoint.breaker.admit(isLast);
    if (!permit) return notSent(resting(model));
    try {
      call.onModel(model);
      const attempt = await drive(endpoint, model, call, permit);
      report(permit, attempt.result.type === 'error' ? attempt.result.failure.kind : undefined);
      return attempt;
    } finally {
      permit.abandoned();
    }
  }

  /** Tries one model until it answers, or further tries are of no use. */
  async function tryModel(
    model: ConfiguredModel,
    call: ModelCall,
    isLast: boolean,
  ): Promise<Attempt> {
    for (let attempt = 1; ; attempt++) {
      const tried = await attemptOnce(model, call, isLast);
      if (tried.answered || tried.result.type === 'done') return tried;
      const { failure } = tried.result;
      const { kind, status, provider } = failure;
      if (kind === 'aborted') return tried;
      const { runId, turnOf: user } = call;
      const what = { provider, model: failure.model, kind, status, attempt };
      log({ event: 'model_call_failed', ...what, user, runId });
      const delay = tried.refused ? undefined : retryDelay(failure, attempt, random);
      if (delay === undefined || !(await pause(delay, call.signal))) return tried;
    }
  }

  return async (call) => {
    let last: Attempt = { result: { type: 'error', failure: NO_MODEL }, answered: false };
    for (const [index, model] of call.models.entries()) {
      const tried = await tryModel(model, call, index === call.models.length - 1);
      // What a stand-in cannot do is not why there is no answer.
      if (tried.unfit && index > 0) continue;
      last = tried;
      const { result } = last;
      const mayFailOver = result.type === 'error' && result.failure.retryable && !last.answered;
      if (!mayFailOver || call.signal.aborted) break;
    }
    return last.result;
  };
}

/** Does `work` when it is its turn, which ends with it at the latest. */
async function withAdmission(
  entering: Promise<Admission>,
  model: ConfiguredModel,
  work: (release: () => void) => Promise<Attempt>,
): Promise<Attempt> {
  const admission = await entering;
  if (admission.outcome !== 'admitted') {
    return notSent(admission.outcome === 'aborted' ? aborted(model) : busy(model));
  }
  try {
    return await work(admission.release);
  } finally {
    admission.release();
  }
}

async function drive(
  endpoint: Endpoint,
  model: ConfiguredModel,
  call: ModelCall,
  permit: Permit,
): Promise<Attempt> {
  const { stream, unfit } = ask(endpoint, model, call);
  let answered = false;
  let result: ModelResult | undefined;
  const take = (event: ProviderEvent): void => {
    switch (event.type) {
      case 'done':
        answered = true;
        result = { type: 'done', stopReason: event.stopReason };
        return;
      case 'error':
        result = { type: 'error', failure: event.failure };
        return;
      case 'start':
      case 'usage':
        return call.onEvent(event);
      case 'text':
      case 'reasoning':
      case 'reasoning_end':
      case 'tool_call_start':
      case 'tool_call_delta':
      case 'tool_call_end':
        if (!answered) permit.began();
        answered = true;
        return call.onEvent(event);
    }
  };
  // Read to its own end, also after the terminal event: leaving it would cut a connection that is
  // about to be free for the next call.
  if (stream.forEach) await stream.forEach(take);
  else for await (const event of stream) take(event);
  const message = 'The model adapter ended its stream without saying how.';
  result ??= { type: 'error', failure: own(model, 'unknown', false, message) };
  return { result, answered, unfit };
}

/** A function of its own, because one that waits for the answer would keep the whole conversation meanwhile. */
function ask(endpoint: Endpoint, model: ConfiguredModel, call: ModelCall) {
  const request = call.request(model);
  return { stream: endpoint.adapter(request), unfit: 'lacks' in fitToModel(request) };
}

function notSent(failure: ProviderFailure) {
  return { result: { type: 'error' as const, failure }, answered: false, refused: true };
}

/** A failure that came about here, without a call. */
function own(
  model: ConfiguredModel,
  kind: ProviderFailure['kind'],
  retryable: boolean,
  message: string,
): ProviderFailure {
  return { kind, retryable, provider: model.endpoint.id, model: model.info.id, message };
}

const aborted = (model: ConfiguredModel) =>
  own(model, 'aborted', false, 'The answer was stopped before the model was asked.');

const busy = (model: ConfiguredModel) =>
  own(
    model,
    'unavailable',
    true,
    `${model.endpoint.id} has too many answers to give; try again later.`,
  );

const resting = (model: ConfiguredModel) =>
  own(
    model,
    'unavailable',
    true,
    `${model.endpoint.id} has been failing and is left alone for a while.`,
  );

/** True after the pause, false as soon as the signal aborts. */
function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const stop = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve(true);
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

const NO_MODEL: ProviderFailure = {
  kind: 'unavailable',
  retryable: false,
  provider: '',
  model: '',
  message: 'No model is configured.',
};
