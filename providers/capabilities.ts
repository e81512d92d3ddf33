/** Checks what a model can take before it is called. */

import type { ProviderMessage, ProviderRequest } from './contract.ts';

/** Continues "Provider <id> …" in a failure. */
export type Fitted = { request: ProviderRequest } | { lacks: string };

const OMITTED = '[An image stood here. This model reads text only.]';

/**
 * Refuses what the caller asks for now and the model cannot do. Images further back were meant for
 * another model: they are replaced by a remark, else one picture would block a conversation for
 * ever after a switch of models. The answer is bounded by the model's own `maxTokens`.
 */
export function fitToModel(request: ProviderRequest): Fitted {
  const { model } = request;
  if (request.reasoning !== 'off' && !model.reasoning) {
    return { lacks: 'serves this model without reasoning; turn thinking off' };
  }
  if (request.tools.length > 0 && model.tools === false) {
    return { lacks: 'serves this model without tools; it cannot call them' };
  }
  const limit = Math.min(
    request.maxOutputTokens ?? Number.POSITIVE_INFINITY,
    model.maxTokens ?? Number.POSITIVE_INFINITY,
  );
  const bounded = Number.isFinite(limit) ? { ...request, maxOutputTokens: limit } : request;
  if (model.input.includes('image')) return { request: bounded };
  const newest = request.messages.findLastIndex((message) => message.role === 'user');
  const asked = request.messages[newest];
  if (asked && hasImage(asked)) {
    return { lacks: 'serves this model for text only; it cannot take images' };
  }
  if (!request.messages.some(hasImage)) return { request: bounded };
  return { request: { ...bounded, messages: request.messages.map(withoutImages) } };
}

function hasImage(message: ProviderMessage): boolean {
  return message.role === 'user' && message.content.some((block) => block.type === 'image');
}

function withoutImages(message: ProviderMessage): ProviderMessage {
  if (message.role !== 'user') return message;
  const content = message.content.map((block) =>
    block.type === 'image' ? { type: 'text' as const, text: OMITTED } : block,
  );
  return { role: 'user', content };
}
