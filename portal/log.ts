/**
 * The portal's log. What may stand in it is decided where its lines are written: ids, counts and reasons;
 * never a password, a token, or the query string that may hold one.
 */

import { createJsonLog, type Logger, type LogLevel } from '../deploy/log/json-lines.ts';

export type { Logger } from '../deploy/log/json-lines.ts';

const REDACTED = ['token', 'password', 'ticket', 'authorization', 'secret', 'refresh_token'];

export function createLog(level: LogLevel): Logger {
  return createJsonLog({ level, redacted: REDACTED });
}
