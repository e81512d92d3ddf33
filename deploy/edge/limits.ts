/** The two kinds of limit that nginx knows: how often, and how many at a time. */

export interface RateLimit {
  /** Whether one more is within the rate; counts it if so. */
  take(key: string): boolean;
}

/** Beyond this many keys those that are at rest are forgotten. */
const SWEEP_AT = 10_000;

/** A leaky bucket for each key: `perSecond` run out, `burst` may stand in it. `now` is in milliseconds. */
export function createRateLimit(
  { perSecond, burst }: { perSecond: number; burst: number },
  now: () => number,
): RateLimit {
  const buckets = new Map<string, { level: number; at: number }>();
  const levelOf = (bucket: { level: number; at: number }, at: number) =>
    Math.max(0, bucket.level - ((at - bucket.at) * perSecond) / 1_000);
  return {
    take(key) {
      const at = now();
      if (buckets.size > SWEEP_AT) {
        for (const [each, bucket] of buckets) if (levelOf(bucket, at) === 0) buckets.delete(each);
      }
      const bucket = buckets.get(key);
      const level = bucket === undefined ? 0 : levelOf(bucket, at) + 1;
      if (level > burst) return false;
      buckets.set(key, { level, at });
      return true;
    },
  };
}

export interface CountLimit {
  /** A function that gives the place back, or undefined if all are taken. */
  enter(key: string): (() => void) | undefined;
}

export function createCountLimit(most: number): CountLimit {
  const counts = new Map<string, number>();
  return {
    enter(key) {
      const count = counts.get(key) ?? 0;
      if (count >= most) return undefined;
      counts.set(key, count + 1);
      let inside = true;
      return () => {
        if (!inside) return;
        inside = false;
        const left = (counts.get(key) ?? 1) - 1;
        if (left > 0) counts.set(key, left);
        else counts.delete(key);
      };
    },
  };
}
