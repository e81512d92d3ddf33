/** A message as the page shows it, read from the rows of `chat.history` and of events. */

import { count, type Fields, fields, isFields, list, text } from './wire.ts';

export type Part =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'thinking'; readonly text: string }
  | {
      readonly type: 'tool';
      readonly id: string;
      readonly name: string;
      readonly input: string;
      readonly output: string | undefined;
      readonly failed: boolean;
    }
  | {
      readonly type: 'image';
      readonly name: string | undefined;
      readonly bytes: number;
      /** What the gateway gives its bytes for. */
      readonly artifactId: string | undefined;
    };

export type MessageState = 'complete' | 'aborted' | 'error' | 'interrupted';

export interface Message {
  /** The gateway's id; empty until it is known. */
  readonly id: string;
  /** Order within the conversation. */
  readonly seq: number;
  readonly role: 'user' | 'assistant';
  readonly runId: string | undefined;
  readonly parts: readonly Part[];
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly state: MessageState;
  readonly error: string | undefined;
  readonly errorKind: string | undefined;
  /** The gateway left out part of a very long text. */
  readonly truncated: boolean;
  readonly outputTokens: number | undefined;
  /** Of answers that were watched as they came. */
  readonly timing: Timing | undefined;
}

export interface Timing {
  readonly firstTextMs: number;
  readonly totalMs: number;
}

/** Nothing for rows that are no part of the conversation. */
export function readMessage(value: unknown): Message | undefined {
  if (!isFields(value)) return undefined;
  const { role } = value;
  if (role !== 'user' && role !== 'assistant') return undefined;
  const meta = fields(value['__openclaw']);
  return {
    id: text(meta['id']) ?? '',
    seq: count(meta['seq']) ?? 0,
    role,
    runId: text(meta['runId']) ?? runOf(text(value['idempotencyKey'])),
    parts: readParts(value['content']),
    timestamp: count(value['timestamp']) ?? Date.now(),
    state: readState(meta['state']),
    error: text(value['errorMessage']),
    errorKind: text(fields(value['errorDetail'])['failoverReason']),
    truncated: meta['truncated'] === true,
    outputTokens: count(fields(value['usage'])['output']),
    timing: undefined,
  };
}

function runOf(idempotencyKey: string | undefined): string | undefined {
  return idempotencyKey?.endsWith(':user') ? idempotencyKey.slice(0, -':user'.length) : undefined;
}

function readState(value: unknown): MessageState {
  return value === 'aborted' || value === 'error' || value === 'interrupted' ? value : 'complete';
}

function readParts(content: unknown): Part[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  const blocks = list(content).filter(isFields);
  const results = new Map(
    blocks
      .filter((block) => block['type'] === 'toolResult')
      .map((block) => [text(block['toolCallId']) ?? '', block]),
  );
  return blocks.flatMap((block): Part[] => readPart(block, results));
}

function readPart(block: Fields, results: ReadonlyMap<string, Fields>): Part[] {
  switch (block['type']) {
    case 'text':
      return [{ type: 'text', text: text(block['text']) ?? '' }];
    case 'thinking':
      return [{ type: 'thinking', text: text(block['thinking']) ?? '' }];
    case 'toolCall': {
      const id = text(block['id']) ?? '';
      const result = results.get(id);
      return [
        {
          type: 'tool',
          id,
          name: text(block['name']) ?? '',
          input: pretty(block['arguments']),
          output: result && pretty(result['content']),
          failed: result?.['isError'] === true,
        },
      ];
    }
    case 'image':
      return [
        {
          type: 'image',
          name: text(block['fileName']),
          bytes: count(block['bytes']) ?? 0,
          artifactId: text(block['artifactId']),
        },
      ];
    default:
      return [];
  }
}

function pretty(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined ? '' : JSON.stringify(value, null, 2);
}

/** What a person reads of it, as Markdown. */
export function plainText(message: Pick<Message, 'parts'>): string {
  return message.parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n\n');
}
