/** Stored rows → what a provider is sent, inside the context budget. */

import type {
  ImageBlock,
  ModelInfo,
  ProviderMessage,
  TextBlock,
  ToolResultBlock,
} from '../providers/contract.ts';
import type { AgentDefinition } from './definition.ts';
import { createImageFilter, imageBudget } from './image-budget.ts';
import type { Principal } from './principal.ts';
import type { ContentBlock, RunRecord, SessionStore, SpokenMessage } from './sessions/store.ts';
import { estimateTokens, IMAGE_TOKENS, MESSAGE_TOKENS } from './tokens.ts';

/** Share of the window that is kept free for the answer when the model names no `maxTokens`. */
const ANSWER_SHARE = 0.25;

/** What the context of one call may take. */
export interface ContextBudget {
  /** Of prompt and history together. */
  tokens: number;
  /** Of all images, as they are stored. */
  imageBytes: number;
}

export function contextBudget(agent: AgentDefinition, model: ModelInfo): ContextBudget {
  const answer = Math.min(
    model.maxTokens ?? Number.POSITIVE_INFINITY,
    model.contextWindow * ANSWER_SHARE,
  );
  const room = Math.floor(model.contextWindow - answer);
  const tokens = Math.min(agent.contextTokens ?? room, room);
  return { tokens, imageBytes: imageBudget(agent) };
}

/**
 * The messages of a run, oldest first: its own user message always, before it as many whole turns
 * as the budget holds. A turn is a user message with all that answers it, and is never split. Of the images only the
 * newest go along, as far as their bytes fit: the others are not read.
 */
export function buildContext(
  store: SessionStore,
  principal: Principal,
  run: RunRecord,
  systemPrompt: string,
  budget: ContextBudget,
): ProviderMessage[] {
  const withImages = createImageFilter(budget.imageBytes);
  const chosen: SpokenMessage[] = [];
  let turn: SpokenMessage[] = [];
  let left = budget.tokens - estimateTokens(systemPrompt);
  for (const message of store.ancestors(principal, run.sessionKey, run.answerSeq)) {
    if (message.state !== 'pending') turn.push(withImages(message));
    if (message.role !== 'user') continue;
    left -= turn.reduce((sum, each) => sum + messageTokens(each), 0);
    if (left < 0 && chosen.length > 0) break;
    chosen.push(...turn);
    turn = [];
  }
  return chosen.toReversed().flatMap((message) => toProvider(store, principal, run, message));
}

function messageTokens(message: SpokenMessage): number {
  return message.content.reduce((sum, block) => sum + blockTokens(block), MESSAGE_TOKENS);
}

function blockTokens(block: ContentBlock): number {
  switch (block.type) {
    case 'text':
      return estimateTokens(block.text);
    case 'thinking':
      return estimateTokens(block.thinking);
    case 'toolCall':
      return estimateTokens(block.arguments) + estimateTokens(block.name);
    case 'toolResult':
      return estimateTokens(block.content);
    case 'image':
      return IMAGE_TOKENS;
  }
}

function toProvider(
  store: SessionStore,
  principal: Principal,
  run: RunRecord,
  message: SpokenMessage,
): ProviderMessage[] {
  const { role, content } = message;
  // Most hold nothing else, and go as they are.
  if (content.length > 0 && isPlain(content)) return [{ role, content }];
  if (role === 'user') return [userMessage(store, principal, run, message)];
  return answerMessages(content);
}

function isPlain(content: readonly ContentBlock[]): content is readonly TextBlock[] {
  return content.every((block) => block.type === 'text');
}

function userMessage(
  store: SessionStore,
  principal: Principal,
  run: RunRecord,
  message: SpokenMessage,
): ProviderMessage {
  const content = message.content.flatMap((block): (TextBlock | ImageBlock)[] => {
    if (block.type === 'text') return [{ type: 'text', text: block.text }];
    if (block.type !== 'image') return [];
    const file = store.attachment(principal, run.sessionKey, message.seq, block.attachment);
    if (!file) return [];
    const data = Buffer.from(file.bytes).toString('base64');
    return [{ type: 'image', mimeType: file.mimeType, data }];
  });
  return { role: 'user', content };
}

/**
 * One stored answer holds a whole turn: text, thinking, tool calls and their results. A result ends
 * an assistant message and stands in a tool message of its own. Empty answers say nothing.
 */
function answerMessages(blocks: readonly ContentBlock[]): ProviderMessage[] {
  const messages: ProviderMessage[] = [];
  let said: Extract<ProviderMessage, { role: 'assistant' }>['content'][number][] = [];
  let results: ToolResultBlock[] = [];
  const flushSaid = () => {
    if (said.length > 0) messages.push({ role: 'assistant', content: said });
    said = [];
  };
  const flushResults = () => {
    if (results.length > 0) messages.push({ role: 'tool', content: results });
    results = [];
  };
  for (const block of blocks) {
    if (block.type === 'image') continue;
    if (block.type === 'toolResult') {
      flushSaid();
      const { id, name, content, isError } = block;
      results.push({ type: 'tool_result', id, name, content, isError });
      continue;
    }
    flushResults();
    said.push(saidBlock(block));
  }
  flushSaid();
  flushResults();
  return messages;
}

function saidBlock(block: Exclude<ContentBlock, { type: 'image' | 'toolResult' }>) {
  switch (block.type) {
    case 'text':
      return { type: 'text' as const, text: block.text };
    case 'thinking':
      return {
        type: 'reasoning' as const,
        text: block.thinking,
        api: block.api ?? '',
        ...(block.signature !== undefined && { signature: block.signature }),
      };
    case 'toolCall':
      return {
        type: 'tool_call' as const,
        id: block.id,
        name: block.name,
        arguments: block.arguments,
        ...(block.signature !== undefined && { signature: block.signature }),
      };
  }
}
