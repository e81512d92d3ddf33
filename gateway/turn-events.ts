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
  const { runId, sessionKey, agentId } = run.record;
  const ids = { runId, sessionKey, agentId };
  let chatSeq = 0;
  let agentSeq = 0;

  // `{"type":"event","event":"chat","payload":{"runId":…,"agentId":…` without its closing braces.
  const deltaHead = `${eventBody('chat', ids).slice(0, -1)},"state":"delta","seq":`;

  const chat = (fields: object) => eventBody('chat', { ...ids, seq: ++chatSeq, ...fields });
  // The published `AgentEvent` has no room for the session beside `data`, so it stands inside.
  const agent = (stream: string, data: object) =>
    eventBody('agent', {
      runId,
      stream,
      seq: ++agentSeq,
      ts: now(),
      data: { sessionKey, agentId, ...data },
    });

  return {
    status: (phase) => chat({ state: 'status', phase }),
    delta: (text) => `${deltaHead}${++chatSeq},"deltaText":${JSON.stringify(text)}}`,
    end: (end) => chat(endFields(end, run.showThinking)),
    lifecycleStart: () => agent('lifecycle', { phase: 'start', startedAt: run.startedAt }),
    assistant: (delta) => agent('assistant', { delta }),
    assistantWhole: () => agent('assistant', { text: run.answer.text(), delta: '' }),
    thinking: (delta) => agent('thinking', { delta }),
    usage: (end) => agent('usage', { ...end.usage }),
    lifecycleEnd: (end) =>
      agent('lifecycle', {
        phase: end.state === 'error' ? 'error' : 'end',
        startedAt: run.startedAt,
        endedAt: now(),
        aborted: end.state === 'aborted',
        ...(run.model && { provider: run.model.endpoint.id, model: run.model.info.id }),
        ...(end.state === 'error'
          ? { error: end.failure.message }
          : { stopReason: wireStopReason(end) }),
      }),
  };
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
