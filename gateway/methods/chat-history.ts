/** `chat.history`, `chat.startup`, `chat.metadata`, `chat.message.get`: what reads a conversation. */

import type { LiveRun } from '../../agents/run.ts';
import type { SessionStore } from '../../agents/sessions/store.ts';
import { type MessageRowOptions, messageRow } from '../rows.ts';
import { commandList, modelList } from './catalog.ts';
import { readPage } from './history-page.ts';
import { type Caller, method, type Services } from './method.ts';
import { keyOf, rowOf, SESSION_KEY, showsThinking } from './sessions-shared.ts';

/** Messages of a page when a client names no limit. */
const DEFAULT_LIMIT = 50;
/** Most bytes of messages in one reply: to serialise it holds everybody up for a few milliseconds. */
const MAX_PAGE_BYTES = 512 * 1024;
/** Longest text of one message in a page; `chat.message.get` has the rest. */
const DEFAULT_MAX_CHARS = 200_000;

const HISTORY = {
  type: 'object',
  properties: {
    sessionKey: SESSION_KEY,
    limit: { type: 'integer', minimum: 1, maximum: 1000 },
    offset: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    cursor: { type: 'string' },
    messageId: { type: 'string', minLength: 1 },
    maxChars: { type: 'integer', minimum: 1, maximum: 500_000 },
    /** Sent by the Control UI, absent from the published schema. */
    maxBytes: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
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
  const { key, agentId } = keyOf(caller, params.sessionKey);
  const running = services.runs.active(principal, key);
  // What was streamed and not yet sent leaves first, so that later deltas continue this reply.
  if (running) caller.catchUp(running);
  const limit = params.limit ?? DEFAULT_LIMIT;
  const page = readPage(services.store, principal, key, {
    limit,
    maxBytes: Math.min(params.maxBytes ?? MAX_PAGE_BYTES, MAX_PAGE_BYTES),
    offset: offsetOf(params, caller, services, key, limit),
    rows: {
      maxChars: params.maxChars ?? DEFAULT_MAX_CHARS,
      showThinking: showsThinking(services, agentId),
    },
  });
  if (!page) {
    return { sessionKey: key, messages: [], hasMore: false, totalMessages: 0, sessionInfo: null };
  }
  const { nextOffset } = page;
  return {
    sessionKey: key,
    sessionId: page.session.sessionId,
    messages: page.messages,
    hasMore: nextOffset !== undefined,
    ...(nextOffset !== undefined && { nextOffset }),
    totalMessages: page.totalMessages,
    sessionInfo: rowOf(services, principal, page.session),
    ...(running?.startedAt &&
      isUnderWay(services.store, running) && {
        inFlightRun: {
          runId: running.record.runId,
          text: running.answer.text(),
          startedAt: running.startedAt,
        },
      }),
  };
}

/** Not from the moment at which its answer stands in the history, which is before its end is durable and told. */
function isUnderWay(store: SessionStore, { principal, record }: LiveRun): boolean {
  return store.run(principal, record.sessionKey, record.runId)?.state === 'running';
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
