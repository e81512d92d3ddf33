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
  const blocks: ContentBlock[] = [];
  const tail = createTail();
  /** What the tail is of. */
  let kind: 'text' | 'thinking' = 'text';
  let unsaved = '';

  const last = () => blocks.at(-1);

  function append(piece: string): void {
    const open = last();
    if (kind === 'text') {
      unsaved += piece;
      if (open?.type === 'text') open.text += piece;
      else blocks.push({ type: 'text', text: piece });
    } else if (open?.type === 'thinking' && open.signature === undefined) open.thinking += piece;
    else blocks.push({ type: 'thinking', thinking: piece, api: api() });
  }

  function settle(): void {
    const piece = tail.take();
    if (piece !== '') append(piece);
  }

  function add(to: typeof kind, delta: string): void {
    if (kind !== to) settle();
    kind = to;
    if (tail.add(delta)) return;
    settle();
    if (!tail.add(delta)) append(delta);
  }

  return {
    addText: (delta) => add('text', delta),
    addReasoning: (delta) => add('thinking', delta),
    endReasoning(signature) {
      if (signature === undefined) return;
      settle();
      const open = last();
      // A stretch that is signed already is closed: this signature belongs to one without text.
      if (open?.type === 'thinking' && open.signature === undefined) open.signature = signature;
      else blocks.push({ type: 'thinking', thinking: '', api: api(), signature });
    },
    startToolCall(id, name, signature) {
      settle();
      const call: ContentBlock = { type: 'toolCall', id, name, arguments: '' };
      if (signature !== undefined) call.signature = signature;
      blocks.push(call);
    },
    addToolArguments(id, delta) {
      const call = blocks.findLast((block) => block.type === 'toolCall' && block.id === id);
      if (call?.type === 'toolCall') call.arguments += delta;
    },
    text() {
      settle();
      return blocks.map((block) => (block.type === 'text' ? block.text : '')).join('');
    },
    takeUnsaved() {
      settle();
      const taken = unsaved;
      unsaved = '';
      return taken;
    },
    putBack(text) {
      unsaved = text + unsaved;
    },
    blocks() {
      settle();
      return [...blocks];
    },
  };
}
