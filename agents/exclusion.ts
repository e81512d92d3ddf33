/**
 * Who has a session, or all of a user's, for himself. In the order of the calls: each waits for those that came before
 * it and for nobody else, so nobody waits in a circle.
 */

import type { Lane, Lanes } from './lanes.ts';

export interface Exclusion {
  /** Whom a newcomer of the session has to wait for; never rejects. */
  ahead(lane: Lane): Promise<unknown> | undefined;
  /** Does `work` when all that came before has the session behind it, sends included; what comes later waits. */
  session<T>(lane: Lane, work: () => Promise<T>): Promise<T>;
  /** The same for all sessions of a user, in all instances. */
  user<T>(userId: string, work: () => Promise<T>): Promise<T>;
  /** While a user's sessions are had, or waited for: settles, well, when the last one has done. */
  ofUser(userId: string): Promise<void> | undefined;
}

/** `onFree` is told of each lane that is free again. */
export function createExclusion(lanes: Lanes, onFree: (lane: Lane) => void): Exclusion {
  const users = new Map<string, Promise<void>>();

  function ahead(lane: Lane): Promise<unknown> | undefined {
    const user = users.get(lane.principal.userId);
    return user && lane.exclusive ? Promise.all([user, lane.exclusive]) : (user ?? lane.exclusive);
  }

  return {
    ahead,

    async session(lane, work) {
      const before = present([ahead(lane), ...lane.accepting]);
      const { promise, resolve } = Promise.withResolvers<void>();
      lane.exclusive = promise;
      try {
        await Promise.allSettled(before);
        return await work();
      } finally {
        if (lane.exclusive === promise) lane.exclusive = undefined;
        resolve();
        onFree(lane);
      }
    },

    async user(userId, work) {
      const sessions = lanes.ofUser(userId);
      const theirs = sessions.flatMap((lane) => [lane.exclusive, ...lane.accepting]);
      const before = present([users.get(userId), ...theirs]);
      const { promise, resolve } = Promise.withResolvers<void>();
      users.set(userId, promise);
      try {
        await Promise.allSettled(before);
        return await work();
      } finally {
        if (users.get(userId) === promise) users.delete(userId);
        resolve();
        for (const lane of lanes.ofUser(userId)) onFree(lane);
      }
    },

    ofUser: (userId) => users.get(userId),
  };
}

function present<T>(values: readonly (T | undefined)[]): T[] {
  return values.filter((value) => value !== undefined);
}
