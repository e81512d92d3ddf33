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
  return new CollectedEvents(newId);
}

/** A class, as are the others that each answer has one of: a closure for each of its functions would be 56 bytes each. */
class CollectedEvents implements AnswerEvents {
  readonly #newId: () => string;
  readonly #text = createPairJoiner();
  readonly #reasoning = createPairJoiner();
  #events: ProviderEvent[] = [];
  /** Most answers have none. */
  #calls: Map<number | string, OpenCall> | undefined;
  #usage: Usage | undefined;
  #started = false;
  #spoke = false;
  #called = false;
  #thinking = false;

  constructor(newId: () => string) {
    this.#newId = newId;
  }

  start(model?: string): void {
    if (this.#started) return;
    this.#started = true;
    this.#events.push({ type: 'start', ...(model !== undefined && { model }) });
  }

  text(piece: string): void {
    if (piece === '') return;
    this.reasoningEnd();
    this.#spoke = true;
    this.#emit('text', this.#text.join(piece));
  }

  reasoning(piece: string): void {
    if (piece === '') return;
    this.#spoke = true;
    this.#thinking = true;
    this.#emit('reasoning', this.#reasoning.join(piece));
  }

  reasoningEnd(signature?: string): void {
    if (!this.#thinking && signature === undefined) return;
    // Unsigned, it may go on behind a call or a piece of text: the other half of a pair may still come.
    if (signature !== undefined) this.#emit('reasoning', this.#reasoning.flush());
    this.#thinking = false;
    this.#events.push({ type: 'reasoning_end', ...(signature !== undefined && { signature }) });
  }

  toolCall(key: number | string, call: { id?: string; name: string; signature?: string }): void {
    this.#calls ??= new Map();
    if (this.#calls.has(key)) return;
    this.reasoningEnd();
    this.#spoke = true;
    this.#called = true;
    const id = call.id || `call_${this.#newId()}`;
    this.#calls.set(key, { id, joiner: createPairJoiner() });
    const { name, signature } = call;
    this.#events.push({
      type: 'tool_call_start',
      id,
      name,
      ...(signature !== undefined && { signature }),
    });
  }

  toolArguments(key: number | string, piece: string): void {
    const call = this.#calls?.get(key);
    if (call) this.#emitArguments(call.id, call.joiner.join(piece));
  }

  toolCallEnd(key: number | string): void {
    const call = this.#calls?.get(key);
    if (!call) return;
    this.#emitArguments(call.id, call.joiner.flush());
    this.#events.push({ type: 'tool_call_end', id: call.id });
    this.#calls?.delete(key);
  }

  usage({ input, output, cacheRead, cacheWrite }: Omit<Usage, 'total'>): void {
    const total = input + output + cacheRead + cacheWrite;
    this.#usage = { input, output, cacheRead, cacheWrite, total };
  }

  finish(): void {
    const thought = this.#reasoning.flush();
    if (thought !== '') this.#thinking = true;
    this.#emit('reasoning', thought);
    this.reasoningEnd();
    this.#emit('text', this.#text.flush());
    for (const key of this.#calls?.keys() ?? []) this.toolCallEnd(key);
    if (this.#usage) this.#events.push({ type: 'usage', usage: this.#usage });
    this.#usage = undefined;
  }

  spoke(): boolean {
    return this.#spoke;
  }

  calledTools(): boolean {
    return this.#called;
  }

  promptTokens(): number {
    return this.#usage ? this.#usage.total - this.#usage.output : 0;
  }

  take(): ProviderEvent[] {
    const taken = this.#events;
    this.#events = [];
    return taken;
  }

  /** Pieces that arrived together leave together: a burst costs as much as one of them. */
  #emit(type: 'text' | 'reasoning', delta: string): void {
    if (delta === '') return;
    const before = this.#events.at(-1);
    if (before?.type === type) before.delta += delta;
    else this.#events.push({ type, delta });
  }

  #emitArguments(id: string, delta: string): void {
    if (delta === '') return;
    const before = this.#events.at(-1);
    if (before?.type === 'tool_call_delta' && before.id === id) before.delta += delta;
    else this.#events.push({ type: 'tool_call_delta', id, delta });
  }
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
  return new Joiner();
}

class Joiner implements PairJoiner {
  #held = '';

  join(piece: string): string {
    if (piece === '') return '';
    let joined = this.#held === '' ? piece : this.#held + piece;
    this.#held = '';
    const last = joined.charCodeAt(joined.length - 1);
    if (last >= 0xd800 && last <= 0xdbff) {
      this.#held = joined.slice(-1);
      joined = joined.slice(0, -1);
    }
    return joined.isWellFormed() ? joined : joined.toWellFormed();
  }

  flush(): string {
    const rest = this.#held === '' ? '' : REPLACEMENT;
    this.#held = '';
    return rest;
  }
}
