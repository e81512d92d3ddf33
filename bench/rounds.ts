/** Runs what is compared in turns, so that a machine's moods touch all of it alike. */

/** By subject, one for each round. */
export type Results<Result> = Readonly<Record<string, readonly Result[]>>;

/** Calls `measure` for each subject in each round; every round begins with another one. */
export async function interleave<Subject extends { name: string }, Result>(
  rounds: number,
  subjects: readonly Subject[],
  measure: (subject: Subject) => Promise<Result>,
): Promise<Record<string, Result[]>> {
  const results: Record<string, Result[]> = {};
  for (let round = 0; round < rounds; round += 1) {
    const turn = round % subjects.length;
    for (const subject of [...subjects.slice(turn), ...subjects.slice(0, turn)]) {
      (results[subject.name] ??= []).push(await measure(subject));
    }
  }
  return results;
}

/** One figure of every result; subjects for which it gives nothing are left out. */
export function figures<Result>(
  results: Results<Result>,
  figure: (result: Result) => number | undefined,
): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(results)
      .map(
        ([name, each]) => [name, each.map(figure).filter((value) => value !== undefined)] as const,
      )
      .filter(([, values]) => values.length > 0),
  );
}

/** By how much each of the others is above `base`, round by round. */
export function addedOver(base: string, values: Results<number>): Record<string, number[]> {
  const below = values[base] ?? [];
  return Object.fromEntries(
    Object.entries(values)
      .filter(([name]) => name !== base)
      .map(([name, each]) => [
        name,
        each.map((value, round) => value - (below[round] ?? Number.NaN)),
      ]),
  );
}

export function only<Result>(name: string, results: Results<Result>): Results<Result> {
  return { [name]: results[name] ?? [] };
}
