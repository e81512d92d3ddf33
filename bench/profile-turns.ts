/** What held the event loop up: the longest stretches of a profile in which one callback ran. */

import { IDLE, type Profile, placeOf } from './profile-format.ts';

export interface Turn {
  ms: number;
  /** The innermost function that at least half of it was spent in. */
  where: string;
}

const TOP = 10;

/** Of the main thread, longest first. */
export function longestTurns(profile: Profile): Turn[] {
  const stackOf = stacks(profile);
  const turns: { callback: string; spent: Map<string, number>; all: number }[] = [];
  profile.samples.forEach((node, index) => {
    const stack = stackOf(node);
    // The first one stands for the root of all.
    const callback = stack[1] ?? IDLE;
    let turn = turns.at(-1);
    if (turn?.callback !== callback) turns.push((turn = { callback, spent: new Map(), all: 0 }));
    const time = (profile.timeDeltas[index] ?? 0) / 1_000;
    turn.all += time;
    // Innermost last, and a map keeps its order: so the last that qualifies is the innermost.
    for (const place of new Set(stack)) turn.spent.set(place, (turn.spent.get(place) ?? 0) + time);
  });
  return turns
    .filter(({ callback }) => callback !== IDLE)
    .toSorted((a, b) => b.all - a.all)
    .slice(0, TOP)
    .map(({ callback, spent, all }) => ({
      ms: all,
      where: [...spent].findLast(([, time]) => time >= all / 2)?.[0] ?? callback,
    }));
}

/** From the root to the function that ran. */
function stacks({ nodes }: Profile): (node: number) => string[] {
  const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame).place]));
  const parents = new Map(
    nodes.flatMap(({ id, children = [] }) => children.map((each) => [each, id])),
  );
  return (node) => {
    const stack: string[] = [];
    for (let at: number | undefined = node; at !== undefined; at = parents.get(at)) {
      stack.push(places.get(at) ?? '');
    }
    return stack.toReversed();
  };
}
