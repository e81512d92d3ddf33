/**
 * The events of one run as frame bodies (everything up to the connection's own `seq`). What does
 * not change from delta to delta is serialised once, at the run's start.
 */

import type { LiveRun, RunEnd } from '../agents/run.ts';
import { wireErrorKind } from './protocol/error-kinds.ts';
import { eventBody } from './protocol/frames.ts';
import { messageRow } from './rows.ts';

export interface TurnEvents {
  status(phase: 'starting_model'): string;
  delta(text: string): string;
  end(end: RunEnd): string;
  lifecycleStart(): string;
  /** Only what is new: the whole text so far would make the bytes grow with the square of the answer. */
  assistant(delta: string): string;
  /** The whole text, once, when the answer is complete. */
  assistantWhole(): string;
  thinking(delta: string): string;
  usage(end: RunEnd): string;
  lifecycleEnd(end: RunEnd): string;
}

export function turnEvents(run: LiveRun, now: () => number): TurnEvents {
  return new RunEvents(run, now);
}

class RunEvents implements TurnEvents {
  readonly #run: LiveRun;
  readonly #now: () => number;
  /** `{"type":"event","event":"chat","payload":{"runId":…,"agentId":…` without its closing braces. */
  readonly #deltaHead: string;
  #chatSeq = 0;
  #agentSeq = 0;

  constructor(run: LiveRun, now: () => number) {
    this.#run = run;
    this.#now = now;
    this.#deltaHead = `${eventBody('chat', idsOf(run)).slice(0, -1)},"state":"delta","seq":`;
  }

  status(phase: 'starting_model'): string {
    return this.#chat({ state: 'status', phase });
  }

  delta(text: string): string {
    return `${this.#deltaHead}${++this.#chatSeq},"deltaText":${JSON.stringify(text)}}`;
  }

  end(end: RunEnd): string {
    return this.#chat(endFields(end, this.#run.showThinking));
  }

  lifecycleStart(): string {
    return this.#agent('lifecycle', { phase: 'start', startedAt: this.#run.startedAt });
  }

  assistant(delta: string): string {
    return this.#agent('assistant', { delta });
  }

  assistantWhole(): string {
    return this.#agent('assistant', { text: this.#run.answer.text(), delta: '' });
  }

  thinking(delta: string): string {
    return this.#agent('thinking', { delta });
  }

  usage(end: RunEnd): string {
    return this.#agent('usage', { ...end.usage });
  }

  lifecycleEnd(end: RunEnd): string {
    const { startedAt, model } = this.#run;
    return this.#agent('lifecycle', {
      phase: end.state === 'error' ? 'error' : 'end',
      startedAt,
      endedAt: this.#now(),
      aborted: end.state === 'aborted',
      ...(model && { provider: model.endpoint.id, model: model.info.id }),
      ...(end.state === 'error'
        ? { error: end.failure.message }
        : { stopReason: wireStopReason(end) }),
    });
  }

  #chat(fields: object): string {
    return eventBody('chat', { ...idsOf(this.#run), seq: ++this.#chatSeq, ...fields });
  }

  /** The published `AgentEvent` has no room for the session beside `data`, so it stands inside. */
  #agent(stream: string, data: object): string {
    const { runId, sessionKey, agentId } = this.#run.record;
    return eventBody('agent', {
      runId,
      stream,
      seq: ++this.#agentSeq,
      ts: this.#now(),
      data: { sessionKey, agentId, ...data },
    });
  }
}

function idsOf({ record: { runId, sessionKey, agentId } }: LiveRun) {
  return { runId, sessionKey, agentId };
}

function endFields(end: RunEnd, showThinking: boolean): object {
  const message = end.message && { message: messageRow(end.message, { showThinking }) };
  const usage = end.usage && { usage: end.usage };
  switch (end.state) {
    case 'final':
      return { state: 'final', ...message, stopReason: end.stopReason, ...usage };
    case 'aborted':
      return { state: 'aborted', ...message, stopReason: wireStopReason(end) };
    case 'error':
      return { state: 'error', ...errorFields(end), ...message, ...usage };
  }
}

/** OpenClaw's word for a run that a client's request ended is `rpc`. */
function wireStopReason(end: Exclude<RunEnd, { state: 'error' }>): string {
  return end.stopReason === 'user' ? 'rpc' : end.stopReason;
}

function errorFields({ failure }: Extract<RunEnd, { state: 'error' }>): object {
  const detail = {
    ...(failure.provider !== undefined && { provider: failure.provider.slice(0, 300) }),
    ...(failure.model !== undefined && { model: failure.model.slice(0, 300) }),
    ...(failure.status !== undefined && { httpStatus: failure.status }),
    failoverReason: failure.kind,
  };
  return {
    errorMessage: failure.message,
    errorKind: wireErrorKind(failure.kind),
    errorDetail: detail,
  };
}
