/** What a model streams becomes blocks that its API accepts again. */

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
