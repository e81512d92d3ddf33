/** Collects what a model streams into the blocks of one stored answer. */

import type { ContentBlock } from './sessions/store.ts';
import { createTail } from './tail.ts';

export interface AnswerBuilder {
  addText(delta: string): void;
  addReasoning(delta: string): void;
  endReasoning(signature: string | undefined): void;
  startToolCall(id: string, name: string, signature: string | undefined): void;
  addToolArguments(id: string, delta: string): void;
  /** All visible text so far. */
  text(): string;
  /** The visible text since the last call. */
  takeUnsaved(): string;
  /** What was taken last could not be saved: the next call gives it again. */
  putBack(unsaved: string): void;
  /** The blocks so far, in the order in which they came. */
  blocks(): ContentBlock[];
}

/** `api` marks reasoning, so that no other API is shown it later. */
export function createAnswer(api: () => string): AnswerBuilder {
  return new Answer(api);
}

class Answer implements AnswerBuilder {
  readonly #api: () => string;
  readonly #blocks: ContentBlock[] = [];
  readonly #tail = createTail();
  /** What the tail is of. */
  #kind: 'text' | 'thinking' = 'text';
  #unsaved = '';

  constructor(api: () => string) {
    this.#api = api;
  }

  addText(delta: string): void {
    this.#add('text', delta);
  }

  addReasoning(delta: string): void {
    this.#add('thinking', delta);
  }

  endReasoning(signature: string | undefined): void {
    if (signature === undefined) return;
    this.#settle();
    const open = this.#blocks.at(-1);
    // A stretch that is signed already is closed: this signature belongs to one without text.
    if (open?.type === 'thinking' && open.signature === undefined) open.signature = signature;
    else this.#blocks.push({ type: 'thinking', thinking: '', api: this.#api(), signature });
  }

  startToolCall(id: string, name: string, signature: string | undefined): void {
    this.#settle();
    const call: ContentBlock = { type: 'toolCall', id, name, arguments: '' };
    if (signature !== undefined) call.signature = signature;
    this.#blocks.push(call);
  }

  addToolArguments(id: string, delta: string): void {
    const call = this.#blocks.findLast((block) => block.type === 'toolCall' && block.id === id);
    if (call?.type === 'toolCall') call.arguments += delta;
  }

  text(): string {
    this.#settle();
    return this.#blocks.map((block) => (block.type === 'text' ? block.text : '')).join('');
  }

  takeUnsaved(): string {
    this.#settle();
    const taken = this.#unsaved;
    this.#unsaved = '';
    return taken;
  }

  putBack(unsaved: string): void {
    this.#unsaved = unsaved + this.#unsaved;
  }

  blocks(): ContentBlock[] {
    this.#settle();
    return [...this.#blocks];
  }

  #add(to: 'text' | 'thinking', delta: string): void {
    if (this.#kind !== to) this.#settle();
    this.#kind = to;
    if (this.#tail.add(delta)) return;
    this.#settle();
    if (!this.#tail.add(delta)) this.#append(delta);
  }

  #settle(): void {
    const piece = this.#tail.take();
    if (piece !== '') this.#append(piece);
  }

  #append(piece: string): void {
    const open = this.#blocks.at(-1);
    if (this.#kind === 'text') {
      this.#unsaved += piece;
      if (open?.type === 'text') open.text += piece;
      else this.#blocks.push({ type: 'text', text: piece });
    } else if (open?.type === 'thinking' && open.signature === undefined) open.thinking += piece;
    else this.#blocks.push({ type: 'thinking', thinking: piece, api: this.#api() });
  }
}
