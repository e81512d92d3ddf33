/** One answer in many tabs: a frame is made once, however many read it. */

import type { WatchedResult } from '../load/watched.ts';
import { figures, interleave } from '../rounds.ts';
import {
  GATEWAY,
  pidsOf,
  RAW,
  runWatched,
  type Setup,
  SUBJECT,
  type Subject,
  startGatewaySubject,
  startRawSender,
  stopAll,
} from '../setup.ts';
import type { Table } from '../table.ts';
import { busyRows, loopDelayRows } from './busy-rows.ts';

const TABS = 100;

/** Milliseconds between two tokens: enough frames a second for their cost to be read. */
const TOKEN_EVERY_MS = 2;

export async function watched(setup: Setup): Promise<Table> {
  const subjects = [await startGatewaySubject(setup), await startRawSender()];
  const results = await interleave(setup.plan.rounds, subjects, (each) =>
    runWatchedTabs(setup, each),
  );
  await stopAll(subjects);
  const perSecond = figures(results, ({ frames, reading }) => (1_000 * frames) / reading.elapsedMs);
  return {
    title: `one answer, watched by ${TABS} tabs`,
    columns: [GATEWAY, RAW],
    rows: [
      {
        metric: 'CPU per frame sent',
        unit: 'µs',
        values: figures(results, cpuPerFrame),
        per: [RAW],
        targets: [{ most: 1.2, of: RAW }],
      },
      { metric: 'frames per second', unit: '', values: perSecond },
      ...loopDelayRows(results),
      ...busyRows(results),
    ],
  };
}

export function runWatchedTabs(setup: Setup, subject: Subject) {
  const { warmUpMs, windowMs } = setup.plan;
  return runWatched(setup, subject, 'watched', {
    target: subject.target,
    tabs: TABS,
    everyMs: TOKEN_EVERY_MS,
    warmUpMs,
    windowMs,
    pids: pidsOf(setup, subject),
  });
}

export function cpuPerFrame({ reading, frames }: WatchedResult): number | undefined {
  const ms = reading.cpuMs[SUBJECT];
  return ms === undefined ? undefined : (1_000 * ms) / frames;
}
