/**
 * The gateway's log. What may stand in it is decided where its lines are written: ids, counts and reasons;
 * never the text of a message, never a header's value that grants anything.
 */

import { createJsonLog, type Logger, type LogLevel } from '../deploy/log/json-lines.ts';

export type { Logger } from '../deploy/log/json-lines.ts';

const REDACTED = ['apiKey', 'token', 'authorization', 'secret', 'message.content', 'text'];

/** `base` stands in every line. */
export function createLog(level: LogLevel, base: object = {}): Logger {
  return createJsonLog({ level, redacted: REDACTED, base });
}
