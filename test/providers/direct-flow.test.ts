/** A stream that flows directly tells all that a stream tells by itself, in the same order. */

import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { flowDirectly } from '../../providers/direct-flow.ts';

type Step = 'pause' | 'resume' | 'turn' | number;

const steps = fc.array(
  fc.oneof(
    fc.constantFrom<Step>('pause', 'resume', 'turn'),
    // Bytes of a piece; some fill the stream.
    fc.constantFrom<Step>(1, 2, 100, 70_000),
  ),
);

/** What is heard of a stream to its end, whose reader does these steps while its source pushes. */
async function heardOf(todo: readonly Step[], prepare: (stream: Readable) => void) {
  const stream = new Readable({ read() {} });
  prepare(stream);
  const heard: string[] = [];
  const ended = new Promise((resolve) => stream.on('end', resolve));
  stream.on('data', (piece: Buffer) => heard.push(piece.toString()));
  let count = 0;
  for (const step of todo) {
    if (step === 'turn') await nextTurn();
    else if (step === 'pause') stream.pause();
    else if (step === 'resume') stream.resume();
    else {
      count += 1;
      stream.push(Buffer.from(`${count}.`.padEnd(step, '.')));
    }
  }
  stream.push(null);
  stream.resume();
  await ended;
  return heard.join('');
}

test('whatever it is paused for, nothing is lost and nothing overtakes', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (todo) => {
      expect(await heardOf(todo, flowDirectly)).toBe(await heardOf(todo, () => {}));
    }),
  );
});

test('a piece is told within the push, and the source is not asked for more', async () => {
  let asked = 0;
  const stream = new Readable({
    read() {
      asked += 1;
    },
  });
  flowDirectly(stream);
  const heard: string[] = [];
  stream.on('data', (piece: Buffer) => heard.push(piece.toString()));
  await nextTurn();
  const before = asked;
  for (const piece of ['a', 'b', 'c']) {
    stream.push(Buffer.from(piece));
    expect(heard.at(-1)).toBe(piece);
    await nextTurn();
  }
  expect(asked).toBe(before);
});

test('while it is paused its source is told when it is full', () => {
  const stream = new Readable({ read() {}, highWaterMark: 10 });
  flowDirectly(stream);
  stream.on('data', () => {});
  expect(stream.push(Buffer.alloc(100))).toBe(true);
  stream.pause();
  expect(stream.push(Buffer.alloc(100))).toBe(false);
});
