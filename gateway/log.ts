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

/** Bytes that may wait for a reader of standard output that does not read; beyond it, lines are dropped. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/** Between two attempts to write while it does not, in milliseconds. */
const RETRY_MS = 100;

/** `base` stands in every line. */
export function createLog(level: LogLevel, base: object = {}): Logger {
  // Synchronous: a line that was written before a crash is there after it. But nobody's tokens wait for
  // whoever reads the log: without the refusal to retry, the library would sleep here.
  const output = destination({
    fd: 1,
    sync: true,
    maxLength: MAX_WAITING_BYTES,
    retryEAGAIN: () => false,
  });
  const log = pino(
    {
      level,
      base: { pid: process.pid, ...base },
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' },
    },
    output,
  );
  let retry: NodeJS.Timeout | undefined;
  let dropped = 0;
  // What was not written is kept there, and goes out with the next write: an empty one will do.
  const writeAgain = () => {
    retry = undefined;
    output.write('');
    if (retry || dropped === 0) return;
    log.warn({ event: 'log_lines_dropped', lines: dropped });
    dropped = 0;
  };
  output.on('error', () => {
    retry ??= setTimeout(writeAgain, RETRY_MS).unref();
  });
  output.on('drop', () => {
    dropped += 1;
  });
  return log;
}
