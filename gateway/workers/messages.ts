/** What a supervisor and its workers say to each other, over the channel that Node opens between them. */

import type { SocketFilter } from '../admin.ts';
import type { Config } from '../config/schema.ts';

/** What a worker is told when it starts. */
export interface Assignment {
  /** From 0; the same for the one that takes its place. */
  worker: number;
  /** Its number among all that ever were of this generation, from 1. */
  owner: number;
  /** Of the store (`lockStore`). */
  generation: number;
  host: string;
  /** 0 picks a free one. */
  port: number;
  databasePath: string;
  /** Identity of that file, as the supervisor opened it. */
  file: string | undefined;
  config: Config;
}

/** What the supervisor asks of each worker, and waits for. */
export type Question =
  | { ask: 'closeSockets'; filter: SocketFilter }
  | { ask: 'countSockets' }
  /** Ends a user's sockets and runs; sends wait until `userIsGone`. */
  | { ask: 'emptyUser'; userId: string };

/** `closed` sockets, or how many there are, of how many users. */
export interface Reply {
  sockets: number;
  users: number;
}

export interface SessionName {
  userId: string;
  instanceId: string;
  key: string;
}

export type ToWorker =
  | { type: 'start'; assignment: Assignment }
  | { type: 'config'; config: Config }
  /** Takes over whom these dead workers served. */
  | { type: 'inherit'; owners: readonly number[] }
  | { type: 'question'; id: number; question: Question }
  | { type: 'userIsGone'; userId: string }
  | { type: 'ping' }
  /** In good order, as on its first signal. Not by a signal: it may have had one already, and the second insists. */
  | { type: 'stop' }
  /** Retention, which one worker sees to, has removed it. */
  | { type: 'sessionRemoved'; session: SessionName };

export type FromWorker =
  | { type: 'ready'; port: number }
  /** It cannot start; for the operator. */
  | { type: 'failed'; message: string }
  /** It will not serve for long: somebody else is a better heir. */
  | { type: 'stopping' }
  | { type: 'inherited'; owners: readonly number[] }
  | { type: 'reply'; id: number; reply: Reply }
  | { type: 'pong' }
  | { type: 'sessionRemoved'; session: SessionName };

/** At the other end is our own program, of the same release: that it is a message at all is enough to know. */
export function isMessage<M extends ToWorker | FromWorker>(value: unknown): value is M {
  return typeof value === 'object' && value !== null && 'type' in value;
}
