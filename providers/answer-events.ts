/**
 * Collects what a chunk holds as events of the contract, and keeps its promises for every adapter:
 * no empty delta, no split surrogate pair, every tool call opened once and closed, reasoning ended
 * before text goes on, usage last.
 */

import { randomUUID } from 'node:crypto';
import type { ProviderEvent, Usage } from './contract.ts';

export interface AnswerEvents {
  /** Once; later calls are ignored, so an adapter may call it for each chunk. */
  start(model?: string): void;
  text(delta: string): void;
  reasoning(delta: string): void;
  reasoningEnd(signature?: string): void;
  /**
   * Opens the call that `key` names within this answer; opening it again does nothing. An API that
   * gives its calls no id gets one here.
   */
  toolCall(key: number | string, call: { id?: string; name: string; signature?: string }): void;
  /** Arguments of an open call; ignored for an unknown one. */
  toolArguments(key: number | string, delta: string): void;
  toolCallEnd(key: number | string): void;
  /** Each replaces the one before; one event comes out, at the end. */
  usage(usage: Omit<Usage, 'total'>): void;
  /** Closes what is open and emits the usage. */
  finish(): void;
  /** Whether the model has said, thought or called anything. */
  spoke(): boolean;
  calledTools(): boolean;
  /** Tokens of the prompt, cached ones included, as far as upstream has told; else 0. */
  promptTokens(): number;
  /** Takes the events collected since the last call. */
  take(): ProviderEvent[];
}

interface OpenCall {
  id: string;
  joiner: PairJoiner;
}

export function createAnswerEvents(newId: () => string = randomUUID): AnswerEvents {
  let events: ProviderEvent[] = [];
  let started = false;
  let spoke = false;
  let called = false;
  let thinking = false;
  let usage: Usage | undefined;
  const text = createPairJoiner();
  const reasoning = createPairJoiner();
  const calls = new Map<number | string, OpenCall>();

  // Pieces that arrived together leave together: a burst costs as much as one of them.
  const emit = (type: 'text' | 'reasoning', delta: string) => {
    if (delta === '') return;
    const before = events.at(-1);
    if (before?.type === type) before.delta += delta;
    else events.push({ type, delta });
  };
  const emitArguments = (id: string, delta: string) => {
    if (delta === '') return;
    const before = events.at(-1);
    if (before?.type === 'tool_call_delta' && before.id === id) before.delta += delta;
    else events.push({ type: 'tool_call_delta', id, delta });
  };
  const endReasoning = (signature?: string) => {
    if (!thinking && signature === undefined) return;
    // Unsigned, it may go on behind a call or a piece of text: the other half of a pair may still come.
    if (signature !== undefined) emit('reasoning', reasoning.flush());
    thinking = false;
    events.push({ type: 'reasoning_end', ...(signature !== undefined && { signature }) });
  };
  const endCall = (key: number | string) => {
    const call = calls.get(key);
    if (!call) return;
    emitArguments(call.id, call.joiner.flush());
    events.push({ type: 'tool_call_end', id: call.id });
    calls.delete(key);
  };

  return {
    start(model) {
      if (started) return;
      started = true;
      events.push({ type: 'start', ...(model !== undefined && { model }) });
    },
    text(piece) {
      if (piece === '') return;
      endReasoning();
      spoke = true;
      emit('text', text.join(piece));
    },
    reasoning(piece) {
      if (piece === '') return;
      spoke = true;
      thinking = true;
      emit('reasoning', reasoning.join(piece));
    },
    reasoningEnd: endReasoning,
    toolCall(key, call) {
      if (calls.has(key)) return;
      endReasoning();
      spoke = true;
      called = true;
      const id = call.id || `call_${newId()}`;
      calls.set(key, { id, joiner: createPairJoiner() });
      const { name, signature } = call;
      events.push({
        type: 'tool_call_start',
        id,
        name,
        ...(signature !== undefined && { signature }),
      });
    },
    toolArguments(key, piece) {
      const call = calls.get(key);
      if (call) emitArguments(call.id, call.joiner.join(piece));
    },
    toolCallEnd: endCall,
    usage({ input, output, cacheRead, cacheWrite }) {
      const total = input + output + cacheRead + cacheWrite;
      usage = { input, output, cacheRead, cacheWrite, total };
    },
    finish() {
      const thought = reasoning.flush();
      if (thought !== '') thinking = true;
      emit('reasoning', thought);
      endReasoning();
      emit('text', text.flush());
      for (const key of calls.keys()) endCall(key);
      if (usage) events.push({ type: 'usage', usage });
      usage = undefined;
    },
    spoke: () => spoke,
    calledTools: () => called,
    promptTokens: () => (usage ? usage.total - usage.output : 0),
    take() {
      const taken = events;
      events = [];
      return taken;
    },
  };
}

export interface PairJoiner {
  /** Gives back all that is complete, well-formed. */
  join(piece: string): string;
  /** What was held back, once nothing can follow: half a pair, which is no character. */
  flush(): string;
}

const REPLACEMENT = '\uFFFD';

/**
 * Joins surrogate pairs that an upstream split across two deltas. Half a pair cannot be written as
 * UTF-8, so it would turn into two replacement characters on the wire; one that stays alone is
 * replaced here, once, so that what is streamed and what is stored are the same.
 */
export function createPairJoiner(): PairJoiner {
  let held = '';
  return {
    join(piece) {
      if (piece === '') return '';
      let joined = held === '' ? piece : held + piece;
      held = '';
      const last = joined.charCodeAt(joined.length - 1);
      if (last >= 0xd800 && last <= 0xdbff) {
        held = joined.slice(-1);
        joined = joined.slice(0, -1);
      }
      return joined.isWellFormed() ? joined : joined.toWellFormed();
    },
    flush() {
      const rest = held === '' ? '' : REPLACEMENT;
      held = '';
      return rest;
    },
  };
}
