/** What arrived so far, and a way to wait for what has not: no polling, no time limits of its own. */

export interface Inbox<T> {
  readonly items: readonly T[];
  push(item: T): void;
  /** The first item, already here or to come, that the predicate takes. */
  find(matches: (item: T) => boolean): Promise<T>;
}

export function createInbox<T>(): Inbox<T> {
  const items: T[] = [];
  const waiting = new Set<{ matches: (item: T) => boolean; found: (item: T) => void }>();
  return {
    items,
    push(item) {
      items.push(item);
      for (const each of waiting) {
        if (!each.matches(item)) continue;
        waiting.delete(each);
        each.found(item);
      }
    },
    find(matches) {
      const index = items.findIndex(matches);
      const known = items[index];
      if (index >= 0 && known !== undefined) return Promise.resolve(known);
      return new Promise((found) => void waiting.add({ matches, found }));
    },
  };
}
