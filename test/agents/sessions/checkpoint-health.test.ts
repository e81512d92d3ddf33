/** Checkpoints that fail are told when it has lasted, once; and so is their end. */

import { expect, test } from 'vitest';
import { createCheckpointHealth } from '../../../agents/sessions/checkpoint-health.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

function scene() {
  let now = 5_000;
  const told: (string | undefined)[] = [];
  const health = createCheckpointHealth({
    now: () => now,
    onTrouble: (trouble) => told.push(trouble && `${trouble.reason} ${trouble.logBytes}`),
  });
  return {
    told,
    health,
    /** One checkpoint a second, for so long. */
    fails(ms: number) {
      for (let n = 0; n < ms; n += SECOND, now += SECOND) health.failed('held', 7);
    },
    works(ms: number) {
      for (let n = 0; n < ms; n += SECOND, now += SECOND) health.succeeded();
    },
  };
}

test('what fails for a minute is told once, with why and how large the log is', () => {
  const { told, fails } = scene();
  fails(MINUTE);
  expect(told).toEqual([]);
  fails(SECOND);
  expect(told).toEqual(['held 7']);
  fails(10 * MINUTE);
  expect(told).toEqual(['held 7']);
});

test('what works for a minute after it is told once, and looked for until then', () => {
  const { told, health, fails, works } = scene();
  fails(2 * MINUTE);
  works(MINUTE);
  expect([told.length, health.isTroubled()]).toEqual([1, true]);
  works(SECOND);
  expect(told).toEqual(['held 7', undefined]);
  expect(health.isTroubled()).toBe(false);
  works(10 * MINUTE);
  fails(MINUTE + SECOND);
  expect(told).toEqual(['held 7', undefined, 'held 7']);
});

test('what fails now and then is not told, and what works now and then has not recovered', () => {
  const { told, fails, works } = scene();
  for (let n = 0; n < 20; n += 1) {
    fails(50 * SECOND);
    works(SECOND);
  }
  expect(told).toEqual([]);
  fails(2 * MINUTE);
  for (let n = 0; n < 20; n += 1) {
    works(50 * SECOND);
    fails(SECOND);
  }
  expect(told).toEqual(['held 7']);
});
