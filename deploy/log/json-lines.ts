/**
 * The log of a process: one JSON object a line on standard output, each with an `event` name. Nobody waits
 * for whoever reads it: beyond a bounded buffer, lines are dropped and counted.
 */

import { destination, type Logger, pino, stdSerializers } from 'pino';

export type { Logger } from 'pino';

/** `silent` writes nothing. */
export type LogLevel = 'silent' | 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

export interface LogOptions {
  level: LogLevel;
  /** Keys whose values are cut out wherever they stand, should a caller err. */
  redacted: readonly string[];
  /** Stands in every line. */
  base?: object;
}

/** Bytes that may wait for a reader of standard output that does not read; beyond it, lines are dropped. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/** Between two attempts to write while it does not, in milliseconds. */
const RETRY_MS = 100;

/** Standard output has to be one that says when it is full: a pipe is, once `process.stdout` has been touched. */
export function createJsonLog({ level, redacted, base = {} }: LogOptions): Logger {
  // Synchronous: a line that was written before a crash is there after it. But nobody waits for whoever
  // reads the log: without the refusal to retry, the library would sleep here.
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
      // The cause stands for itself: joined to the message it would be a second sentence in the first.
      serializers: { err: stdSerializers.errWithCause },
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redacted.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' },
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
