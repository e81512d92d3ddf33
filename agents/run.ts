/** One turn: build the context, call the model, stream, persist, end exactly once. */

import type { StopReason, Usage } from '../providers/contract.ts';
import type { ProviderFailure } from '../providers/errors.ts';
import { type AnswerBuilder, createAnswer } from './answer.ts';
import type { AgentDefinition, ConfiguredModel } from './definition.ts';
import { imageBudget } from './image-budget.ts';
import type { ModelCaller } from './model-call.ts';
import type { Principal } from './principal.ts';
import type { Answer, MessageRecord, RunRecord, SessionStore } from './sessions/store.ts';
import { buildContext, contextBudget } from './transcript.ts';

/** Why a run was ended from outside: by its user, by its own time limit, by the process going down. */
export type AbortReason = 'user' | 'timeout' | 'too_long' | 'shutdown';

/** A run that this process holds, from its acceptance to its end. Belongs to a session, never to a socket. */
export interface LiveRun {
  readonly principal: Principal;
  readonly record: RunRecord;
  readonly answer: AnswerBuilder;
  /** Milliseconds since the epoch; 0 while queued. */
  startedAt: number;
  /** Whether text was streamed since the last checkpoint. */
  unsaved: boolean;
  /** Whether clients are shown what the model thought. */
  showThinking: boolean;
  /** The model that answers (or answered last). */
  model: ConfiguredModel | undefined;
  /** Its end is known and about to be told: it does not count as active any more. */
  over: boolean;
  abort(reason: AbortReason): void;
  readonly signal: AbortSignal;
  readonly aborted: () => AbortReason | undefined;
  /** Resolves when the run has ended and its end is stored. */
  readonly ended: Promise<RunEnd>;
  readonly settle: (end: RunEnd) => void;
}

/** How a run ended. Exactly one per run. `message` is absent if the session is gone or cannot be written. */
export type RunEnd = { message?: MessageRecord; usage?: Usage } & (
  | { state: 'final'; stopReason: StopReason }
  | { state: 'aborted'; stopReason: AbortReason }
  | { state: 'error'; failure: RunFailure }
);

/** What clients are told of a failure; `message` is for people and holds no secrets. */
export type RunFailure = Pick<ProviderFailure, 'kind' | 'message'> &
  Partial<Pick<ProviderFailure, 'provider' | 'model' | 'status' | 'retryable'>>;

/** Hears of a run as it goes. `delta` and `reasoning` are the hot path: they must not throw or wait. */
export interface RunListener {
  started(run: LiveRun): void;
  delta(run: LiveRun, text: string): void;
  reasoning(run: LiveRun, text: string): void;
  ended(run: LiveRun, end: RunEnd): void;
}

export interface RunDeps {
  store: SessionStore;
  callModel: ModelCaller;
  listener: RunListener;
  now: () => number;
  /** True once the store takes writes again; false if it fails for another reason, or the process stops first. */
  storeRecovered: () => Promise<boolean>;
  /** Characters of an answer, with its thoughts, signatures and tool calls, at which it is cut off. */
  maxAnswerChars: () => number;
  /** Unexpected errors, for the log. */
  onBug: (error: unknown, run: LiveRun) => void;
}

export function createLiveRun(principal: Principal, record: RunRecord): LiveRun {
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<RunEnd>();
  let reason: AbortReason | undefined;
  const run: LiveRun = {
    principal,
    record,
    answer: createAnswer(() => run.model?.api ?? ''),
    startedAt: 0,
    unsaved: false,
    showThinking: false,
    model: undefined,
    over: false,
    abort(why) {
      reason ??= why;
      controller.abort();
    },
    signal: controller.signal,
    aborted: () => reason,
    ended: promise,
    settle: resolve,
  };
  return run;
}

/** Whom a run asks, in this order, and what its session holds. */
export interface RunPlan {
  models: readonly ConfiguredModel[];
  sessionBytes: number;
}

/** Runs it to its end. Never rejects. The end is stored before the listener hears of it. */
export async function executeRun(
  run: LiveRun,
  agent: AgentDefinition,
  plan: RunPlan,
  deps: RunDeps,
): Promise<void> {
  run.startedAt = deps.now();
  run.showThinking = agent.reasoning !== 'off';
  const limit = run.record.options.timeoutMs;
  const timeoutMs = limit ? Math.min(limit, agent.timeoutMs) : agent.timeoutMs;
  const timer = setTimeout(() => run.abort('timeout'), timeoutMs);
  const announce = announcer(run, deps);
  let end: RunEnd;
  try {
    end = await stream(run, agent, plan, { timeoutMs, announce }, deps);
  } catch (error) {
    deps.onBug(error, run);
    end = {
      state: 'error',
      failure: { kind: 'unknown', message: 'The gateway failed to run this turn.' },
    };
  } finally {
    clearTimeout(timer);
  }
  announce();
  await endRun(run, end, deps);
}

/**
 * Tells the listener, once, that the run has started: behind the call of the model, which is not to wait for what
 * others are told, and at the latest when called, before anything that comes of it is told.
 */
function announcer(run: LiveRun, { listener, onBug }: RunDeps): () => void {
  let isTold = false;
  const tell = () => {
    if (isTold) return;
    isTold = true;
    clearImmediate(later);
    try {
      listener.started(run);
    } catch (error) {
      onBug(error, run);
    }
  };
  const later = setImmediate(tell);
  return tell;
}

/** Stores how the run ended, then tells the listener. Also ends a run that never started. */
export async function endRun(run: LiveRun, end: RunEnd, deps: RunDeps): Promise<void> {
  const told = await saveEnd(run, end, deps);
  run.over = true;
  try {
    deps.listener.ended(run, told);
  } catch (error) {
    // It reads the store for those who watch. A run that never settles would keep its session for ever.
    deps.onBug(error, run);
  }
  run.settle(told);
}

/** An end, and what the store is given of it. */
interface Ending {
  end: RunEnd;
  answer: Answer;
}

/** Tells what was stored: of an end that the store refuses, as much as it takes, so that no run stays under way. */
async function saveEnd(run: LiveRun, end: RunEnd, deps: RunDeps): Promise<RunEnd> {
  for (const ending of endingsOf(run, end, deps.now())) {
    const saved = await saveEnding(run, ending, deps);
    if (saved) return saved;
    // It refuses everything: the next process ends the run with what was streamed, which is more than the next ending.
    if (deps.store.recovery()) break;
  }
  const message = 'The answer could not be saved: the storage does not take writes now.';
  return { state: 'error', failure: { kind: 'unavailable', message } };
}

/**
 * A store that is in trouble is waited for: the answer is whole, and only here. Nothing if it refuses this ending
 * while it takes other writes, or if the process stops first.
 */
async function saveEnding(
  run: LiveRun,
  { end, answer }: Ending,
  deps: RunDeps,
): Promise<RunEnd | undefined> {
  const { runId, sessionKey } = run.record;
  for (;;) {
    try {
      const message = await deps.store.finishRun(run.principal, sessionKey, runId, answer);
      return message ? { ...end, message } : end;
    } catch (error) {
      if (await deps.storeRecovered()) continue;
      deps.onBug(error, run);
      return undefined;
    }
  }
}

/** From the whole of it to the least that ends a run. */
function* endingsOf(run: LiveRun, end: RunEnd, timestamp: number): Generator<Ending> {
  yield { end, answer: toAnswer(run, end, timestamp) };
  // The only part that comes from upstream as numbers, which columns may refuse.
  const { usage, ...uncounted } = end;
  if (usage) yield { end: uncounted, answer: toAnswer(run, uncounted, timestamp) };
  const answer = { ...toAnswer(run, REFUSED_END, timestamp), content: [] };
  yield { end: REFUSED_END, answer };
}

const REFUSED_END: RunEnd = {
  state: 'error',
  failure: {
    kind: 'unavailable',
    message: 'The answer could not be saved: the storage refused it.',
  },
};

async function stream(
  run: LiveRun,
  agent: AgentDefinition,
  { models, sessionBytes }: RunPlan,
  { timeoutMs, announce }: { timeoutMs: number; announce: () => void },
  deps: RunDeps,
): Promise<RunEnd> {
  const { listener, store } = deps;
  let usage: Usage | undefined;
  const withUsage = () => (usage ? { usage } : {});
  const maxChars = deps.maxAnswerChars();
  let chars = 0;
  /** A model that never ends would fill the memory. */
  const mayGrow = (by: number): boolean => {
    chars += by;
    if (chars > maxChars) run.abort('too_long');
    return chars <= maxChars;
  };
  const result = await deps.callModel({
    models,
    request: (model) => ({
      model: model.info,
      system: agent.systemPrompt,
      messages: buildContext(
        store,
        run.principal,
        run.record,
        agent.systemPrompt,
        contextBudget(agent, model.info),
      ),
      tools: [],
      // A default is for the models that can reason; what a message asks for is refused by one that cannot.
      reasoning: run.record.options.thinking ?? (model.info.reasoning ? agent.thinking : 'off'),
      signal: run.signal,
    }),
    signal: run.signal,
    turnOf: run.principal.userId,
    runId: run.record.runId,
    bytes: Math.min(sessionBytes, imageBudget(agent)),
    onModel(model) {
      run.model = model;
      // What a failed attempt had counted is not this model's.
      usage = undefined;
    },
    onEvent(event) {
      announce();
      switch (event.type) {
        case 'text':
          if (!mayGrow(event.delta.length)) return;
          run.answer.addText(event.delta);
          listener.delta(run, event.delta);
          return;
        case 'reasoning':
          if (!mayGrow(event.delta.length)) return;
          run.answer.addReasoning(event.delta);
          if (agent.reasoning === 'stream') listener.reasoning(run, event.delta);
          return;
        case 'reasoning_end':
          if (event.signature === undefined) return;
          if (!mayGrow(BLOCK_CHARS + event.signature.length)) return;
          return run.answer.endReasoning(event.signature);
        case 'tool_call_start':
          if (
            !mayGrow(
              BLOCK_CHARS + event.id.length + event.name.length + (event.signature?.length ?? 0),
            )
          )
            return;
          return run.answer.startToolCall(event.id, event.name, event.signature);
        case 'tool_call_delta':
          if (!mayGrow(event.delta.length)) return;
          return run.answer.addToolArguments(event.id, event.delta);
        case 'usage':
          usage = event.usage;
          return;
        case 'start':
        case 'tool_call_end':
          return;
      }
    },
  });
  const reason = run.aborted();
  if (reason === 'timeout') {
    const message = `The run took longer than ${timeoutMs / 1000} s and was stopped.`;
    return { state: 'error', failure: { ...named(run), kind: 'timeout', message }, ...withUsage() };
  }
  if (reason === 'too_long') {
    const message = `The answer grew over ${maxChars} characters and was cut off.`;
    return { state: 'error', failure: { ...named(run), kind: 'unknown', message }, ...withUsage() };
  }
  if (reason) return { state: 'aborted', stopReason: reason, ...withUsage() };
  if (result.type === 'error') return { state: 'error', failure: result.failure, ...withUsage() };
  const silence = run.answer.blocks().some((block) => block.type !== 'thinking')
    ? undefined
    : SILENCE[result.stopReason];
  if (silence) return { state: 'error', failure: { ...named(run), ...silence }, ...withUsage() };
  return { state: 'final', stopReason: result.stopReason, ...withUsage() };
}

/** What a block of an answer counts for, however little it holds. */
const BLOCK_CHARS = 64;

/** A model that ends well and has said nothing: its user must be told, or waits for ever. */
const SILENCE: Readonly<Partial<Record<StopReason, Pick<RunFailure, 'kind' | 'message'>>>> = {
  stop: { kind: 'unknown', message: 'The model ended without saying anything.' },
  length: {
    kind: 'unknown',
    message: 'The model reached its length limit before it said anything.',
  },
  refusal: { kind: 'refusal', message: 'The model declined to answer.' },
  content_filter: {
    kind: 'refusal',
    message: "The provider's content filter held the answer back.",
  },
};

function named(run: LiveRun): { provider?: string; model?: string } {
  return run.model ? { provider: run.model.endpoint.id, model: run.model.info.id } : {};
}

function toAnswer(run: LiveRun, end: RunEnd, timestamp: number): Answer {
  const common = {
    content: run.answer.blocks(),
    timestamp,
    ...named(run),
    ...(end.usage && { usage: end.usage }),
  };
  switch (end.state) {
    case 'final':
      return { ...common, state: 'complete', stopReason: end.stopReason };
    case 'aborted':
      return {
        ...common,
        state: end.stopReason === 'shutdown' ? 'interrupted' : 'aborted',
        stopReason: end.stopReason,
      };
    case 'error':
      return {
        ...common,
        state: 'error',
        stopReason: 'error',
        errorMessage: end.failure.message,
        errorKind: end.failure.kind,
      };
  }
}
