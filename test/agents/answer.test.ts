/** What a model streams becomes blocks that its API accepts again. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createAnswer } from '../../agents/answer.ts';

test('a signature stays with its own stretch of reasoning', () => {
  const answer = createAnswer(() => 'anthropic-messages');
  answer.addReasoning('first ');
  answer.addReasoning('thought');
  answer.endReasoning('sig-1');
  answer.endReasoning('redacted-2');
  answer.addReasoning('third');
  answer.endReasoning('sig-3');
  answer.addText('said');
  const api = 'anthropic-messages';
  expect(answer.blocks()).toEqual([
    { type: 'thinking', thinking: 'first thought', api, signature: 'sig-1' },
    { type: 'thinking', thinking: '', api, signature: 'redacted-2' },
    { type: 'thinking', thinking: 'third', api, signature: 'sig-3' },
    { type: 'text', text: 'said' },
  ]);
});

const said = fc.oneof(
  fc.record({
    to: fc.constant('text' as const),
    delta: fc.string({ unit: 'binary', minLength: 1 }),
  }),
  // Split pairs, and more than fits where the newest text is kept.
  fc.record({
    to: fc.constant('text' as const),
    delta: fc.constantFrom('\ud83e', '\udd8a', 'x'.repeat(300), '日'.repeat(86)),
  }),
  fc.record({
    to: fc.constant('thinking' as const),
    delta: fc.string({ unit: 'grapheme', minLength: 1 }),
  }),
  fc.record({ to: fc.constant('tool' as const), delta: fc.constant('{}') }),
  fc.record({ to: fc.constant('saved' as const), delta: fc.constant('') }),
);

test('blocks, text and what was saved are what was said, however it was cut and whenever it was read', () => {
  fc.assert(
    fc.property(fc.array(said, { maxLength: 60 }), fc.nat(), (script, readEvery) => {
      const answer = createAnswer(() => 'api');
      const blocks: { type: string; said: string }[] = [];
      let saved = '';
      script.forEach(({ to, delta }, at) => {
        if (to === 'saved') saved += answer.takeUnsaved();
        else if (to === 'tool') {
          answer.startToolCall(`c${at}`, 'look', undefined);
          answer.addToolArguments(`c${at}`, delta);
          blocks.push({ type: 'toolCall', said: delta });
        } else {
          if (to === 'text') answer.addText(delta);
          else answer.addReasoning(delta);
          const open = blocks.at(-1);
          if (open?.type === to) open.said += delta;
          else blocks.push({ type: to, said: delta });
        }
        if (at % (readEvery + 1) === 0) answer.text();
      });
      saved += answer.takeUnsaved();
      const text = blocks.map((block) => (block.type === 'text' ? block.said : '')).join('');
      expect(answer.text()).toBe(text);
      expect(saved).toBe(text);
      const built = answer.blocks().map((block) => {
        if (block.type === 'text') return { type: block.type, said: block.text };
        if (block.type === 'thinking') return { type: block.type, said: block.thinking };
        return { type: block.type, said: block.type === 'toolCall' ? block.arguments : '' };
      });
      expect(built).toEqual(blocks);
    }),
  );
});
