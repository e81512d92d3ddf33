/** Stored records → the shapes that OpenClaw's clients read (session rows, messages). */

import type { ContentBlock, MessageRecord, SessionRecord } from '../agents/sessions/store.ts';
import { splitModelRef } from './config/settings.ts';
import { wireErrorKind } from './protocol/error-kinds.ts';

/** What a session row says beside what is stored. */
export interface SessionRuntime {
  /** `provider/model` that the next run of this session would call first. */
  model: string | undefined;
  contextTokens: number | undefined;
  activeRunIds: readonly string[];
  lastRunFailed?: boolean;
}

/** `SessionRow` of the published schema. */
export function sessionRow(session: SessionRecord, runtime: SessionRuntime): object {
  const model = runtime.model === undefined ? undefined : splitModelRef(runtime.model);
  return {
    key: session.key,
    kind: 'direct',
    sessionId: session.sessionId,
    agentId: session.agentId,
    createdAt: session.createdAt,
    updatedAt: session.updatedAt,
    lastActivityAt: session.updatedAt,
    lastInteractionAt: session.interactedAt,
    ...(session.label !== undefined && { label: session.label, displayName: session.label }),
    ...(session.derivedTitle !== undefined && { derivedTitle: session.derivedTitle }),
    ...(model && { modelProvider: model.provider, model: model.model }),
    ...(session.model !== undefined && { modelOverrideSource: 'user' }),
    ...(runtime.contextTokens !== undefined && { contextTokens: runtime.contextTokens }),
    archived: session.archivedAt !== undefined,
    ...(session.archivedAt !== undefined && { archivedAt: session.archivedAt }),
    pinned: session.pinnedAt !== undefined,
    ...(session.pinnedAt !== undefined && { pinnedAt: session.pinnedAt }),
    unread: (session.lastAnswerAt ?? 0) > (session.lastReadAt ?? 0),
    ...(session.lastReadAt !== undefined && { lastReadAt: session.lastReadAt }),
    hasActiveRun: runtime.activeRunIds.length > 0,
    activeRunIds: runtime.activeRunIds,
    ...(session.leafId !== undefined && { activeLeafEntryId: session.leafId }),
    inputTokens: session.totals.input + session.totals.cacheRead + session.totals.cacheWrite,
    outputTokens: session.totals.output,
    totalTokens: session.contextTokens,
    totalTokensFresh: true,
  };
}

export interface MessageRowOptions {
  /** Longest text of a block in UTF-16 units; what is cut off is marked `truncated`. */
  maxChars?: number;
  /** Whether thinking is shown. */
  showThinking?: boolean;
}

/** One message as `chat.history`, `session.message` and final events carry it. */
export function messageRow(message: MessageRecord, options: MessageRowOptions = {}): object {
  const blocks = message.content.flatMap((block) => contentRow(message, block, options));
  const cut = blocks.some((block) => 'truncated' in block);
  return {
    role: message.role,
    content: blocks,
    timestamp: message.timestamp,
    ...(message.role === 'user' &&
      message.runId !== undefined && { idempotencyKey: `${message.runId}:user` }),
    ...(message.provider !== undefined && { provider: message.provider }),
    ...(message.model !== undefined && { model: message.model }),
    ...(message.stopReason !== undefined && { stopReason: message.stopReason }),
    ...(message.errorMessage !== undefined && { errorMessage: message.errorMessage }),
    ...(message.errorKind !== undefined && {
      errorKind: wireErrorKind(message.errorKind),
      errorDetail: { failoverReason: message.errorKind },
    }),
    ...(message.usage !== undefined && { usage: message.usage }),
    __openclaw: {
      id: message.id,
      seq: message.seq,
      ...(message.runId !== undefined && { runId: message.runId }),
      ...(message.state !== 'complete' && { state: message.state }),
      ...(message.label !== undefined && { label: message.label }),
      ...(cut && { truncated: true }),
    },
  };
}

/** What `artifacts.download` takes: the message, and which of its attachments. */
export function artifactId(
  message: Pick<MessageRecord, 'id'>,
  block: Extract<ContentBlock, { type: 'image' }>,
): string {
  return `${message.id}.${block.attachment}`;
}

function contentRow(
  message: MessageRecord,
  block: ContentBlock,
  options: MessageRowOptions,
): object[] {
  switch (block.type) {
    case 'text': {
      const text = cutText(block.text, options.maxChars);
      return [
        text === block.text ? { type: 'text', text } : { type: 'text', text, truncated: true },
      ];
    }
    case 'thinking':
      if (!options.showThinking || block.thinking === '') return [];
      return [{ type: 'thinking', thinking: cutText(block.thinking, options.maxChars) }];
    case 'toolCall':
      return [{ type: 'toolCall', id: block.id, name: block.name, arguments: block.arguments }];
    case 'toolResult':
      return [
        {
          type: 'toolResult',
          toolCallId: block.id,
          toolName: block.name,
          content: cutText(block.content, options.maxChars),
          isError: block.isError,
        },
      ];
    case 'image':
      return [
        {
          type: 'image',
          mimeType: block.mimeType,
          ...(block.fileName !== undefined && { fileName: block.fileName }),
          bytes: block.sizeBytes,
          omitted: true,
          artifactId: artifactId(message, block),
        },
      ];
  }
}

/** The first `max` units of a text, never ending inside a surrogate pair. */
export function cutText(text: string, max = Number.POSITIVE_INFINITY): string {
  if (text.length <= max) return text;
  return text.slice(0, max).replace(/[\uD800-\uDBFF]$/, '');
}
