/** Longer and longer answers. */

import type { Point } from '../plot.ts';
import { MINIMAL } from '../scenarios/bytes.ts';
import { GATEWAY, type Setup, startGatewaySubject } from '../setup.ts';
import { type Sweep, slopes } from './sweep.ts';

const LENGTHS = [50, 250, 500, 1_000, 2_000, 4_000];

/** Milliseconds between two tokens. */
const TOKEN_EVERY_MS = 2;

export async function sweepAnswers(setup: Setup): Promise<Sweep> {
  const subject = await startGatewaySubject(setup, { watched: false });
  const { port } = subject.target;
  const { answers } = await setup.load.run('bytes', {
    port,
    lengths: LENGTHS,
    everyMs: TOKEN_EVERY_MS,
  });
  await subject.stop();
  const points = answers.flatMap(({ bytes, minimalBytes }, index): Point[] => {
    const x = LENGTHS[index] ?? 0;
    return [
      { x, y: bytes / 1e3, line: GATEWAY },
      { x, y: minimalBytes / 1e3, line: MINIMAL },
    ];
  });
  return {
    plots: [
      {
        name: 'answer-bytes',
        title: 'Bytes to the browser over the length of an answer',
        x: { title: 'tokens of the answer' },
        y: { title: 'kilobytes' },
        points,
      },
    ],
    slopes: [
      { metric: 'to the browser for one more token', unit: 'bytes', values: slopes(points, 1_000) },
    ],
  };
}
