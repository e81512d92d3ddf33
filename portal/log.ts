/**
 * Structured logs: one JSON object a line on standard output, each with an `event` name. Ids, counts
 * and reasons; never a password, a token, or the query string that may hold one.
 */

import { destination, type Logger, pino } from 'pino';
import type { PortalConfig } from './config-schema.ts';

export type { Logger } from 'pino';

/** Keys whose values are cut out wherever they stand, should a caller err. */
const REDACTED = ['token', 'password', 'ticket', 'authorization', 'secret', 'refresh_token'];

export function createLog(level: PortalConfig['logging']['level']): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' },
    },
    destination({ fd: 1, sync: true }),
  );
}
