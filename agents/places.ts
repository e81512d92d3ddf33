/**
 * Places for runs: so many at once, and so many of one user. Whose session finds none waits; when a place
 * is free, the users who wait take turns, and so do the sessions of one user.
 */

import type { Lane } from './lanes.ts';

export interface PlaceLimits {
  /** Runs under way at once, over all users; 0 is no limit. */
  maxConcurrent: () => number;
  /** The same of one user; 0 is no limit. */
  maxPerUser: () => number;
}

export interface Places {
  /** Takes a place for the session's next run. False if there is none: then the session waits. */
  take(lane: Lane): boolean;
  /** Gives the place of an ended run back. */
  give(lane: Lane): void;
  /** The session that is next, if there is a place for it; it waits no longer. */
  next(): Lane | undefined;
  /**
   * Promises a place to a run that is being stored as started: nobody else gets it, for of a run that is stored so and
   * waits the answer would be lost in a crash. False if there is none to promise.
   */
  promise(userId: string): boolean;
  /**
   * The promised run stands in its session's queue, or never will. The place is free from now on: first for that
   * session, and then for whoever is next.
   */
  kept(userId: string): void;
}

interface User {
  running: number;
  promised: number;
  readonly waiting: Set<Lane>;
}

export function createPlaces({ maxConcurrent, maxPerUser }: PlaceLimits): Places {
  const users = new Map<string, User>();
  /** Users who wait, whose turn is next first; those who have all that is theirs stand apart. */
  const queue = new Set<User>();
  const full = new Set<User>();
  let running = 0;
  let promised = 0;
  let waiting = 0;

  function userOf(userId: string): User {
    let user = users.get(userId);
    if (!user) users.set(userId, (user = { running: 0, promised: 0, waiting: new Set() }));
    return user;
  }

  function forgetIfIdle(userId: string, user: User): void {
    if (user.running + user.promised + user.waiting.size === 0) users.delete(userId);
  }

  const isOver = (count: number, limit: number): boolean => limit > 0 && count >= limit;
  const allTaken = (): boolean => isOver(running + promised, maxConcurrent());
  const hasAll = (user: User): boolean => isOver(user.running + user.promised, maxPerUser());

  /** Puts a user who waits behind the others, or apart. */
  function queueUp(user: User): void {
    queue.delete(user);
    full.delete(user);
    if (user.waiting.size === 0) return;
    if (hasAll(user)) full.add(user);
    else queue.add(user);
  }

  /** One place less is the user's: whoever stood apart for its sake, or for that of a limit raised meanwhile, is freed. */
  function loosen(userId: string, user: User): void {
    if (full.has(user)) queueUp(user);
    forgetIfIdle(userId, user);
  }

  function seat(user: User): void {
    user.running++;
    running++;
  }

  return {
    take(lane) {
      const user = userOf(lane.principal.userId);
      if (!allTaken() && !hasAll(user)) {
        if (user.waiting.delete(lane)) waiting--;
        seat(user);
        return true;
      }
      if (!user.waiting.has(lane)) waiting++;
      user.waiting.add(lane);
      if (!queue.has(user)) queueUp(user);
      return false;
    },

    give({ principal: { userId } }) {
      const user = userOf(userId);
      user.running--;
      running--;
      loosen(userId, user);
    },

    next() {
      if (allTaken()) return undefined;
      for (const user of queue) {
        if (hasAll(user)) {
          queueUp(user);
          continue;
        }
        const [lane] = user.waiting;
        if (!lane) {
          queue.delete(user);
          continue;
        }
        user.waiting.delete(lane);
        waiting--;
        seat(user);
        queueUp(user);
        return lane;
      }
      return undefined;
    },

    promise(userId) {
      const user = userOf(userId);
      const all = running + promised + waiting;
      const own = user.running + user.promised + user.waiting.size;
      if (isOver(all, maxConcurrent()) || isOver(own, maxPerUser())) {
        forgetIfIdle(userId, user);
        return false;
      }
      user.promised++;
      promised++;
      return true;
    },

    kept(userId) {
      const user = userOf(userId);
      user.promised--;
      promised--;
      loosen(userId, user);
    },
  };
}
