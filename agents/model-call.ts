/** Calls the first model of a chain that answers: retries and failover, before the first token only. */

import type { ProviderEvent, ProviderRequest, StopReason } from '../providers/contract.ts';
import type { ProviderFailure } from '../providers/errors.ts';
import type { AdapterSource } from './adapters.ts';
import type { ConfiguredModel } from './definition.ts';

export interface ModelCall {
  /** Tried in this order; never empty. */
  models: readonly ConfiguredModel[];
  /** Built for each model that is tried: the context depends on its window. */
  request: (model: ConfiguredModel) => ProviderRequest;
  signal: AbortSignal;
  /** Told which model is tried now. */
  onModel: (model: ConfiguredModel) => void;
  /** Called for every event but the terminal one, synchronously, in order. */
  onEvent: (event: Exclude<ProviderEvent, { type: 'done' | 'error' }>) => void;
}

export type ModelResult =
  | { type: 'done'; stopReason: StopReason }
  | { type: 'error'; failure: ProviderFailure };

/** Never rejects for anything an upstream does. */
export type ModelCaller = (call: ModelCall) => Promise<ModelResult>;

export interface ModelCallerOptions {
  adapter: AdapterSource;
  /** What was tried in vain, for the log. Ids, kinds and times; no message text. */
  log: (fields: object) => void;
  /** Uniform in [0, 1): jitter. */
  random?: () => number;
}

/** Attempts at one model before the next one of the chain is tried. */
const MAX_ATTEMPTS = 3;
/** Mean of the first pause; each further one is twice as long. */
const BASE_DELAY_MS = 300;
/** Nobody is kept waiting longer than this by a Retry-After; the failure is told instead. */
const MAX_DELAY_MS = 8_000;

export function createModelCaller(options: ModelCallerOptions): ModelCaller {
  const random = options.random ?? Math.random;

  return async (call) => {
    let last: ModelResult | undefined;
    for (const model of call.models) {
      call.onModel(model);
      for (let attempt = 1; ; attempt++) {
        const tried = await attemptOnce(options.adapter, model, call);
        if (tried.result.type === 'done' || tried.answered || call.signal.aborted)
          return tried.result;
        last = tried.result;
        const { failure } = tried.result;
        const pause = attempt < MAX_ATTEMPTS ? retryDelay(failure, attempt, random) : undefined;
        const { kind, status, provider } = failure;
        options.log({
          event: 'model_call_failed',
          provider,
          model: failure.model,
          kind,
          status,
          attempt,
        });
        if (pause === undefined || !(await waited(pause, call.signal))) break;
      }
      // Another model cannot mend what is wrong with the request itself.
      if (last?.type === 'error' && !mayFailOver(last.failure)) break;
      if (call.signal.aborted) break;
    }
    return last ?? { type: 'error', failure: NO_MODEL };
  };
}

interface Attempt {
  result: ModelResult;
  /** Something of the answer was streamed: from here on, a failure is final. */
  answered: boolean;
}

async function attemptOnce(
  adapterOf: AdapterSource,
  model: ConfiguredModel,
  call: ModelCall,
): Promise<Attempt> {
  const adapter = await adapterOf(model);
  let answered = false;
  for await (const event of adapter(call.request(model))) {
    switch (event.type) {
      case 'done':
        return { result: { type: 'done', stopReason: event.stopReason }, answered: true };
      case 'error':
        return { result: { type: 'error', failure: event.failure }, answered };
      case 'start':
      case 'usage':
        call.onEvent(event);
        break;
      case 'text':
      case 'reasoning':
      case 'reasoning_end':
      case 'tool_call_start':
      case 'tool_call_delta':
      case 'tool_call_end':
        answered = true;
        call.onEvent(event);
        break;
    }
  }
  const failure: ProviderFailure = {
    kind: 'unknown',
    retryable: false,
    provider: model.endpoint.id,
    model: model.info.id,
    message: 'The model adapter ended its stream without saying how.',
  };
  return { result: { type: 'error', failure }, answered };
}

/** How long to wait before the same model is tried again; nothing: do not. */
function retryDelay(
  failure: ProviderFailure,
  attempt: number,
  random: () => number,
): number | undefined {
  if (!failure.retryable || failure.kind === 'timeout') return undefined;
  if (failure.retryAfterMs !== undefined) {
    return failure.retryAfterMs <= MAX_DELAY_MS ? failure.retryAfterMs : undefined;
  }
  // Half fixed, half random: clients that failed together do not return together.
  return BASE_DELAY_MS * 2 ** (attempt - 1) * (0.5 + random());
}

function mayFailOver(failure: ProviderFailure): boolean {
  return failure.retryable || failure.kind === 'auth' || failure.kind === 'context_length';
}

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
