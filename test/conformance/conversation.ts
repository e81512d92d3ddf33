/** One conversation that holds everything a request can, and what of it every API has to be told. */

import type { ProviderRequest } from '../../providers/contract.ts';
import { MODEL, user } from '../providers/calls.ts';

export const TOOL = {
  name: 'look',
  description: 'Looks at it.',
  parameters: { type: 'object', properties: { place: { type: 'string' } } },
};

export const CONVERSATION: Partial<ProviderRequest> = {
  system: 'Be brief.',
  tools: [TOOL],
  maxOutputTokens: 5_003,
  reasoning: 'low',
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is this?' },
        { type: 'image', mimeType: 'image/png', data: 'AAAA' },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'unsigned', api: 'anthropic-messages' },
        { type: 'reasoning', text: 'unsigned', api: 'google-generative-ai' },
        { type: 'reasoning', text: 'unsigned', api: 'openai-responses' },
        { type: 'text', text: 'Let me look.' },
        { type: 'tool_call', id: 'c1', name: 'look', arguments: '{"place":"sofa"}' },
        { type: 'tool_call', id: 'c2', name: 'look', arguments: 'not JSON' },
      ],
    },
    {
      role: 'tool',
      content: [
        { type: 'tool_result', id: 'c1', name: 'look', content: 'A cat', isError: false },
        { type: 'tool_result', id: 'c2', name: 'look', content: 'Bad arguments', isError: true },
      ],
    },
    user('So?'),
  ],
};

/** The same without thinking, which some APIs count into the bound of the answer. */
export const PLAIN_CONVERSATION = { ...CONVERSATION, reasoning: 'off' } as const;

/** Each must stand in the request, in whatever place the API has for it. */
export const PARTS: readonly (readonly [string, readonly (string | number)[]])[] = [
  ['the name of the model', [MODEL.id]],
  ['the system prompt', ['Be brief.']],
  ['the bound of the answer', [5_003]],
  ['the tools that may be called', [TOOL.name, TOOL.description, 'place']],
  ['an image', ['AAAA']],
  ['a tool call with its arguments', ['look', 'sofa']],
  ['a tool’s result, and one that failed', ['A cat', 'Bad arguments']],
];

/** What was said, in the order in which the request must hold it. */
export const SAID = ['What is this?', 'Let me look.', 'A cat', 'Bad arguments', 'So?'] as const;

/** Every text and number of a body, keys included, in the order in which they stand there. */
export function leavesOf(body: unknown): (string | number)[] {
  if (typeof body === 'string' || typeof body === 'number') return [body];
  if (typeof body !== 'object' || body === null) return [];
  if (Array.isArray(body)) return body.flatMap(leavesOf);
  return Object.entries(body).flatMap(([key, value]) => [key, ...leavesOf(value)]);
}
