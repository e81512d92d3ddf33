/** Tells the operator of a write-ahead log that nobody can move into the database: when that begins, and when it ends. */

import type { CheckpointTrouble } from '../agents/sessions/checkpoint-health.ts';
import type { Logger } from './log.ts';

export function logCheckpointTrouble(log: Logger): (trouble?: CheckpointTrouble) => void {
  return (trouble) => {
    if (!trouble) return log.info({ event: 'wal_checkpoints_recovered' });
    const { reason, logBytes } = trouble;
    log.warn({
      event: 'wal_checkpoints_failing',
      reason,
      logBytes,
      message: `The store's write-ahead log cannot be moved into its database file: ${reason}. What is sent is saved all the same, and the log grows by it.`,
    });
  };
}
