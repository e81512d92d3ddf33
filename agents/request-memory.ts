/**
 * Memory for requests on their way to upstreams: so many bytes over all endpoints, and half of them for one, so that
 * one which takes requests and says nothing leaves room for those to the others. A sum for each endpoint alone would
 * not bound memory: there may be dozens of them.
 */

import { type Admission, createFairQueue, type FairQueue } from '../providers/fair-queue.ts';

export interface RequestMemory {
  /** Room in the endpoint's half, as a fair queue gives it: users take turns, and what is larger than may be goes alone. */
  share(endpoint: string, key: string, signal: AbortSignal, bytes: number): Promise<Admission>;
  /** Room in the whole, for whoever has room in a share: nobody overtakes there, and others would wait for it in vain. */
  whole(key: string, signal: AbortSignal, bytes: number): Promise<Admission>;
}

const MAX_WAITING = 10_000;

export function createRequestMemory(maxBytes: number): RequestMemory {
  const all = createFairQueue({ limit: () => maxBytes, maxWaiting: MAX_WAITING });
  /** By the names that an operator gave; never so many that it is worth it to forget one. */
  const shares = new Map<string, FairQueue>();

  function shareOf(endpoint: string): FairQueue {
    const known = shares.get(endpoint);
    if (known) return known;
    const made = createFairQueue({ limit: () => maxBytes / 2, maxWaiting: MAX_WAITING });
    shares.set(endpoint, made);
    return made;
  }

  return {
    share: (endpoint, key, signal, bytes) => shareOf(endpoint).enter(key, signal, bytes),
    whole: (key, signal, bytes) => all.enter(key, signal, bytes),
  };
}
