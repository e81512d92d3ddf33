/** Work that is done one after the other where it is of the same key, in the order in which it was asked for. */

export type OneByOne = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/** Whoever finds nothing under way begins at once. Settles as the work does; one that failed holds up nobody. */
export function createOneByOne(): OneByOne {
  /** The last that was asked for, of each key that has work. */
  const last = new Map<string, Promise<unknown>>();
  return async (key, work) => {
    const mine = last.get(key)?.then(work, work) ?? work();
    last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (last.get(key) === mine) last.delete(key);
    }
  };
}
