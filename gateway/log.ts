/**
 * Structured logs: one JSON object a line on standard output, each with an `event` name. What may
 * stand in them is decided where they are written: ids, counts and reasons; never the text of a
 * message, never a header's value that grants anything.
 */

import { destination, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** openclaw.json's `logging.level`; `silent` writes nothing. */
export type LogLevel = 'silent' | 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** Keys whose values are cut out wherever they stand, should a caller err. */
const REDACTED = ['apiKey', 'token', 'authorization', 'secret', 'message.content', 'text'];

/** `base` stands in every line. */
export function createLog(level: LogLevel, base: object = {}): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid, ...base },
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' },
    },
    // Synchronous: a line that was written before a crash is there after it.
    destination({ fd: 1, sync: true }),
  );
}
