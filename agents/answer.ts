/** Collects what a model streams into the blocks of one stored answer. */

import type { ContentBlock } from './sessions/store.ts';

export interface AnswerBuilder {
  addText(delta: string): void;
  addReasoning(delta: string): void;
  endReasoning(signature: string | undefined): void;
  startToolCall(id: string, name: string, signature: string | undefined): void;
  addToolArguments(id: string, delta: string): void;
  /** All visible text so far. */
  text(): string;
  /** The blocks so far, in the order in which they came; empty ones left out. */
  blocks(): ContentBlock[];
}

/** `api` marks reasoning, so that no other API is shown it later. */
export function createAnswer(api: () => string): AnswerBuilder {
  const blocks: ContentBlock[] = [];
  // A rope: appending copies nothing; V8 flattens it when it is read.
  let text = '';

  const last = () => blocks.at(-1);

  return {
    addText(delta) {
      text += delta;
      const open = last();
      if (open?.type === 'text') open.text += delta;
      else blocks.push({ type: 'text', text: delta });
    },
    addReasoning(delta) {
      const open = last();
      if (open?.type === 'thinking' && open.signature === undefined) open.thinking += delta;
      else blocks.push({ type: 'thinking', thinking: delta, api: api() });
    },
    endReasoning(signature) {
      if (signature === undefined) return;
      const open = last();
      // A stretch that is signed already is closed: this signature belongs to one without text.
      if (open?.type === 'thinking' && open.signature === undefined) open.signature = signature;
      else blocks.push({ type: 'thinking', thinking: '', api: api(), signature });
    },
    startToolCall(id, name, signature) {
      const call: ContentBlock = { type: 'toolCall', id, name, arguments: '' };
      if (signature !== undefined) call.signature = signature;
      blocks.push(call);
    },
    addToolArguments(id, delta) {
      const call = blocks.findLast((block) => block.type === 'toolCall' && block.id === id);
      if (call?.type === 'toolCall') call.arguments += delta;
    },
    text: () => text,
    blocks: () => blocks.filter((block) => block.type !== 'text' || block.text !== ''),
  };
}
