/**
 * How many messages a user may send per minute. Each user has a bucket that holds a minute's worth and fills
 * up evenly: so a burst is as good as a steady pace, and none is punished for long.
 */

export interface SendRate {
  /** Takes one from the user's bucket: 0, or milliseconds until there is one. */
  take(userId: string): number;
}

interface Bucket {
  left: number;
  at: number;
}

const MINUTE_MS = 60_000;

/** Buckets at which full ones are looked for and forgotten, at the least. */
const SWEEP_AT = 10_000;

/** @param perMinute read at each call; 0 is no limit. @param now milliseconds of a clock that never goes back. */
export function createSendRate(
  perMinute: () => number,
  now: () => number = () => performance.now(),
): SendRate {
  const buckets = new Map<string, Bucket>();
  let sweepAt = SWEEP_AT;

  /** A full bucket says no more than none. */
  function sweep(at: number): void {
    for (const [userId, bucket] of buckets) {
      if (at - bucket.at >= MINUTE_MS) buckets.delete(userId);
    }
    sweepAt = Math.max(SWEEP_AT, buckets.size * 2);
  }

  return {
    take(userId) {
      const limit = perMinute();
      if (limit === 0) return 0;
      const at = now();
      let bucket = buckets.get(userId);
      if (!bucket) {
        if (buckets.size >= sweepAt) sweep(at);
        buckets.set(userId, (bucket = { left: limit, at }));
      }
      bucket.left = Math.min(limit, bucket.left + ((at - bucket.at) * limit) / MINUTE_MS);
      bucket.at = at;
      if (bucket.left < 1) return Math.ceil(((1 - bucket.left) * MINUTE_MS) / limit);
      bucket.left--;
      return 0;
    },
  };
}
