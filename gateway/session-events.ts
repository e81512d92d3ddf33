/** `session.message` and `sessions.changed` as frame bodies. */

import type { MessageRecord, RunRecord, SessionRecord } from '../agents/sessions/store.ts';
import { eventBody } from './protocol/frames.ts';
import { type MessageRowOptions, messageRow } from './rows.ts';

/** One message that was added to a session, for those who subscribed to its messages. */
export function messageBody(
  where: Pick<RunRecord, 'sessionKey'> & Partial<RunRecord>,
  message: MessageRecord | undefined,
  options: MessageRowOptions = {},
): string {
  return eventBody('session.message', {
    sessionKey: where.sessionKey,
    ...(where.sessionId !== undefined && { sessionId: where.sessionId }),
    ...(where.agentId !== undefined && { agentId: where.agentId }),
    ...(where.runId !== undefined && { runId: where.runId }),
    ...(message && {
      messageId: message.id,
      messageSeq: message.seq,
      message: messageRow(message, options),
    }),
  });
}

/** A session's row as it is now; `session` is null when it is gone. */
export function sessionChangedBody(
  sessionKey: string,
  reason: string,
  session: SessionRecord | undefined,
  row: object | null,
  ts: number,
): string {
  return eventBody('sessions.changed', {
    sessionKey,
    reason,
    ts,
    ...(session && { sessionId: session.sessionId, agentId: session.agentId }),
    session: row,
  });
}
