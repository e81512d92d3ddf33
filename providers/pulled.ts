/** Items that are pushed, for those who would rather ask for each: what the contract's streams are iterated with. */

/** Hands on items. A promise that it gets is to be kept before the next one: nobody has asked for more. */
export type Take<Item> = (item: Item) => Promise<void> | undefined;

export interface Source<Item> {
  /** Begins at the first question. Must not reject. */
  run(take: Take<Item>): Promise<void>;
  /** Nobody will ask again: `run` is to end soon. */
  cancel(): void;
}

export function pulled<Item extends object>({
  run,
  cancel,
}: Source<Item>): AsyncIterator<Item, undefined> {
  const items: Item[] = [];
  let running: Promise<void> | undefined;
  let isOver = false;
  let arrived = Promise.withResolvers<void>();
  let wanted = Promise.withResolvers<void>();

  const take: Take<Item> = (item) => {
    if (isOver) return undefined;
    items.push(item);
    arrived.resolve();
    return wanted.promise;
  };
  const end = () => {
    isOver = true;
    arrived.resolve();
    wanted.resolve();
  };
  const ask = () => {
    wanted.resolve();
    wanted = Promise.withResolvers();
    arrived = Promise.withResolvers();
    running ??= run(take).finally(end);
  };

  const one = async (): Promise<IteratorResult<Item, undefined>> => {
    if (items.length === 0 && !isOver) {
      ask();
      await arrived.promise;
    }
    const item = items.shift();
    return item === undefined ? { done: true, value: undefined } : { done: false, value: item };
  };
  let last: Promise<unknown> = Promise.resolve();

  return {
    next() {
      // Questions that are asked at once are answered in their order.
      const answer = last.then(one);
      last = answer;
      return answer;
    },
    async return() {
      items.length = 0;
      end();
      cancel();
      await running;
      return { done: true, value: undefined };
    },
  };
}
