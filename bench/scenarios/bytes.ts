/** What an answer weighs on its way to the browser, and how that grows. */

import type { AnswerBytes } from '../load/bytes.ts';
import { figures, interleave, type Results } from '../rounds.ts';
import { allSubjects, GATEWAY, LEAN, type Setup, type Subject } from '../setup.ts';
import type { Row, Table } from '../table.ts';

/** Tokens of the answers; the second is the one that the target speaks of. */
const LENGTHS = [50, 500, 2_000] as const;
const [, TYPICAL, LONG] = LENGTHS;

/** Milliseconds between two tokens: slow enough that each is a frame, as at a model's pace. */
const TOKEN_EVERY_MS = 2;

export const MINIMAL = 'minimal frames';
const REQUIRED = 'required fields';

export async function bytes(setup: Setup): Promise<Table> {
  const subjects = (await allSubjects(setup)).filter(
    ({ name }) => name === GATEWAY || name === LEAN,
  );
  const results = await interleave(1, subjects, async ({ target: { port } }) => {
    const args = { port, lengths: LENGTHS, everyMs: TOKEN_EVERY_MS };
    return (await setup.load.run('bytes', args)).answers;
  });
  return {
    title: 'bytes to the browser',
    columns: [GATEWAY, MINIMAL, REQUIRED, LEAN],
    rows: [...LENGTHS.flatMap((_, index) => rowsOf(results, index)), growthRow(results)],
  };
}

function rowsOf(results: Results<AnswerBytes[]>, index: number): Row[] {
  const length = LENGTHS[index] ?? 0;
  const figure = (of: (result: AnswerBytes) => number) =>
    figures(results, (each) => each[index] && of(each[index]));
  const kilobytes = figure((result) => result.bytes / 1_000);
  const { [GATEWAY]: minimal = [] } = figure((result) => result.minimalBytes / 1_000);
  const { [GATEWAY]: required = [] } = figure((result) => result.requiredBytes / 1_000);
  return [
    {
      metric: `an answer of ${length.toLocaleString('en-US')} tokens`,
      unit: 'kB',
      values: { ...kilobytes, [MINIMAL]: minimal, [REQUIRED]: required },
      per: [MINIMAL, REQUIRED],
      ...(length === TYPICAL && { targets: [{ most: 1.2, of: MINIMAL }] }),
    },
    { metric: 'bytes per token', unit: '', values: figure(({ bytes: all }) => all / length) },
  ];
}

/** Linear means: a token costs the same, however long the answer is. */
function growthRow(results: Results<AnswerBytes[]>): Row {
  const perToken = (each: AnswerBytes[], length: number) =>
    (each[LENGTHS.findIndex((other) => other === length)]?.bytes ?? Number.NaN) / length;
  return {
    metric: `a token of ${LONG.toLocaleString('en-US')} to one of ${TYPICAL}`,
    unit: '',
    values: figures(results, (each) => perToken(each, LONG) / perToken(each, TYPICAL)),
    targets: [{ most: 1.05 }],
  };
}

/** One answer of the typical length. */
export async function typicalAnswer(setup: Setup, subject: Subject): Promise<AnswerBytes> {
  const { port } = subject.target;
  const args = { port, lengths: [TYPICAL], everyMs: TOKEN_EVERY_MS };
  const [answer] = (await setup.load.run('bytes', args)).answers;
  if (!answer) throw new Error('there was no answer');
  return answer;
}
