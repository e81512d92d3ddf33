/**
 * The heartbeat. Each socket is ticked every interval, but not all at once: ten thousand sends
 * in one turn would hold the event loop for tens of milliseconds, so sockets are spread over slots.
 */

import { eventBody } from './protocol/frames.ts';

export interface Ticked {
  /** Sends the tick, and looks whether the peer still answers. */
  tick(body: string): void;
}

export interface Ticks {
  join(subscriber: Ticked): void;
  leave(subscriber: Ticked): void;
  stop(): void;
}

const SLOTS = 20;

export function startTicks(intervalMs: number, now: () => number): Ticks {
  const slots = Array.from({ length: SLOTS }, () => new Set<Ticked>());
  const slotOf = new WeakMap<Ticked, Set<Ticked>>();
  let turn = 0;
  let joined = 0;

  const timer = setInterval(
    () => {
      const slot = slots[turn++ % SLOTS];
      if (!slot || slot.size === 0) return;
      const body = eventBody('tick', { ts: now() });
      for (const subscriber of slot) subscriber.tick(body);
    },
    Math.max(1, intervalMs / SLOTS),
  );

  return {
    join(subscriber) {
      const slot = slots[joined++ % SLOTS];
      if (!slot) return;
      slot.add(subscriber);
      slotOf.set(subscriber, slot);
    },
    leave: (subscriber) => slotOf.get(subscriber)?.delete(subscriber),
    stop: () => clearInterval(timer),
  };
}
