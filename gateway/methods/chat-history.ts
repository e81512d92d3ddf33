/** `chat.history`, `chat.startup`, `chat.metadata`, `chat.message.get`: what reads a conversation. */

import type { MessageRecord } from '../../agents/sessions/store.ts';
import { type MessageRowOptions, messageRow } from '../rows.ts';
import { commandList, modelList } from './catalog.ts';
import { type Caller, method, type Services } from './method.ts';
import { keyOf, rowOf, SESSION_KEY, showsThinking } from './sessions-shared.ts';

/** Messages of a page when a client names no limit. */
const DEFAULT_LIMIT = 50;
/** Bytes of messages in one reply when a client names no `maxBytes`; a reply must fit a client's frame limit. */
const DEFAULT_PAGE_BYTES = 2 * 1024 * 1024;
/** Longest text of one message in a page; `chat.message.get` has the rest. */
const DEFAULT_MAX_CHARS = 200_000;

const HISTORY = {
  type: 'object',
  properties: {
    sessionKey: SESSION_KEY,
    limit: { type: 'integer', minimum: 1, maximum: 1000 },
    offset: { type: 'integer', minimum: 0 },
    cursor: { type: 'string' },
    messageId: { type: 'string', minLength: 1 },
    maxChars: { type: 'integer', minimum: 1, maximum: 500_000 },
    /** Sent by the Control UI, absent from the published schema. */
    maxBytes: { type: 'integer', minimum: 1 },
  },
  required: ['sessionKey'],
} as const;

interface HistoryParams {
  sessionKey: string;
  limit?: number;
  offset?: number;
  cursor?: string;
  messageId?: string;
  maxChars?: number;
  maxBytes?: number;
}

export const chatHistory = method(
  'chat.history',
  'operator.read',
  HISTORY,
  (params, caller, services) =>
    // Delta cursors are never handed out, so one that comes is another gateway's: start afresh.
    params.cursor === undefined ? history(params, caller, services) : { kind: 'reset' },
);

export const chatStartup = method(
  'chat.startup',
  'operator.read',
  HISTORY,
  (params, caller, services) => ({
    ...history(params, caller, services),
    metadata: metadata(caller, services),
  }),
);

export const chatMetadata = method(
  'chat.metadata',
  'operator.read',
  { type: 'object' } as const,
  (_params, caller, services) => metadata(caller, services),
);

function metadata(caller: Caller, services: Services) {
  return { models: modelList(caller, services), commands: commandList() };
}

function history(params: HistoryParams, caller: Caller, services: Services): object {
  const { principal } = caller;
  const { key } = keyOf(caller, params.sessionKey);
  const running = services.runs.active(principal, key);
  // What was streamed and not yet sent leaves first, so that later deltas continue this reply.
  if (running) services.hub.flush(running);
  const limit = params.limit ?? DEFAULT_LIMIT;
  const page = services.store.history(principal, key, {
    limit,
    offset: offsetOf(params, caller, services, key, limit),
  });
  if (!page) {
    return { sessionKey: key, messages: [], hasMore: false, totalMessages: 0, sessionInfo: null };
  }
  const { rows, dropped } = fit(page.messages, params, {
    maxChars: params.maxChars ?? DEFAULT_MAX_CHARS,
    showThinking: showsThinking(services, page.session.agentId),
  });
  const hasMore = page.hasMore || dropped > 0;
  // Offsets count from the newest end; what did not fit is the oldest part of this page.
  const nextOffset = (page.nextOffset ?? page.session.messageCount) - dropped;
  return {
    sessionKey: key,
    sessionId: page.session.sessionId,
    messages: rows,
    hasMore,
    ...(hasMore && { nextOffset }),
    totalMessages: page.totalMessages,
    sessionInfo: rowOf(services, principal, page.session),
    ...(running?.startedAt && {
      inFlightRun: {
        runId: running.record.runId,
        text: running.answer.text(),
        startedAt: running.startedAt,
      },
    }),
  };
}

/** A page that holds the wanted message in its middle, or the one that the client counted to. */
function offsetOf(
  params: HistoryParams,
  caller: Caller,
  services: Services,
  key: string,
  limit: number,
): number {
  if (params.messageId === undefined) return params.offset ?? 0;
  const at = services.store.offsetOf(caller.principal, key, params.messageId);
  return at === undefined ? (params.offset ?? 0) : Math.max(0, at - Math.floor(limit / 2));
}

/** The newest messages that fit the byte budget, oldest first; the newest one always. */
function fit(
  messages: readonly MessageRecord[],
  params: HistoryParams,
  options: MessageRowOptions & { maxChars: number },
) {
  let left = Math.min(params.maxBytes ?? DEFAULT_PAGE_BYTES, DEFAULT_PAGE_BYTES);
  const rows: object[] = [];
  for (const message of messages.toReversed()) {
    const row = messageRow(message, options);
    left -= rowBytes(message, options.maxChars);
    if (left < 0 && rows.length > 0) break;
    rows.push(row);
  }
  return { rows: rows.toReversed(), dropped: messages.length - rows.length };
}

/** Near enough the bytes of a row on the wire, without serialising it twice. */
function rowBytes(message: MessageRecord, maxChars: number): number {
  const envelope = 400;
  return message.content.reduce((sum, block) => {
    if (block.type === 'text') return sum + 3 * Math.min(block.text.length, maxChars);
    if (block.type === 'thinking') return sum + 3 * Math.min(block.thinking.length, maxChars);
    if (block.type === 'toolResult') return sum + 3 * Math.min(block.content.length, maxChars);
    return sum + 200;
  }, envelope);
}

const MESSAGE_GET = {
  type: 'object',
  properties: {
    sessionKey: SESSION_KEY,
    messageId: { type: 'string', minLength: 1, maxLength: 64 },
    maxChars: { type: 'integer', minimum: 1, maximum: 2_000_000 },
  },
  required: ['sessionKey', 'messageId'],
} as const;

export const chatMessageGet = method(
  'chat.message.get',
  'operator.read',
  MESSAGE_GET,
  (params, caller, services) => {
    const { key, agentId } = keyOf(caller, params.sessionKey);
    const message = services.store.message(caller.principal, key, params.messageId);
    if (!message || message.state === 'pending')
      return { ok: false, unavailableReason: 'not_found' };
    const options: MessageRowOptions = {
      showThinking: showsThinking(services, agentId),
      ...(params.maxChars !== undefined && { maxChars: params.maxChars }),
    };
    return { ok: true, message: messageRow(message, options) };
  },
);
