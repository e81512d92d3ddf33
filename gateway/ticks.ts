/**
 * The heartbeat. Each socket gets a `tick` every interval, but not all at once: ten thousand sends
 * in one turn would hold the event loop for tens of milliseconds, so sockets are spread over slots.
 */

import type { Subscriber } from './hub.ts';
import { eventBody } from './protocol/frames.ts';

export interface Ticks {
  join(subscriber: Subscriber): void;
  leave(subscriber: Subscriber): void;
  stop(): void;
}

const SLOTS = 20;

export function startTicks(intervalMs: number, now: () => number): Ticks {
  const slots = Array.from({ length: SLOTS }, () => new Set<Subscriber>());
  const slotOf = new WeakMap<Subscriber, Set<Subscriber>>();
  let turn = 0;
  let joined = 0;

  const timer = setInterval(
    () => {
      const slot = slots[turn++ % SLOTS];
      if (!slot || slot.size === 0) return;
      const body = eventBody('tick', { ts: now() });
      for (const subscriber of slot) subscriber.sendEvent(body);
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
