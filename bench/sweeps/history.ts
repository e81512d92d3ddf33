/** More and more stored messages. */

import type { Point } from '../plot.ts';
import { residentKib } from '../proc.ts';
import { askPages, QUESTIONS, type Serving, serveStore } from '../scenarios/store.ts';
import type { Setup } from '../setup.ts';
import type { Sweep } from './sweep.ts';

/** Of the smallest store; the others are the plan's. */
const FEW_SESSIONS = 100;

export async function sweepHistory(setup: Setup): Promise<Sweep> {
  const times: Point[] = [];
  const memory: Point[] = [];
  for (const sessions of [FEW_SESSIONS, ...setup.plan.storedSessions]) {
    const serving: Serving = await serveStore(setup, sessions);
    const x = serving.messages;
    for (const question of QUESTIONS) {
      const { p50, p99 } = await askPages(setup, serving, question);
      const line = question.what;
      times.push({ x, y: p50, line, figure: 'p50' }, { x, y: p99, line, figure: 'p99' });
    }
    memory.push({ x, y: (1_024 * residentKib(serving.gateway.pid)) / 1e6, line: 'gateway' });
    await serving.gateway.stop();
  }
  const x = { title: 'stored messages, ten for each session', logarithmic: true };
  return {
    plots: [
      {
        name: 'history-latency',
        title: 'How long a page takes',
        x,
        y: { title: 'milliseconds', logarithmic: true },
        points: times,
      },
      {
        name: 'history-memory',
        title: 'Resident memory after these pages',
        x,
        y: { title: 'megabytes' },
        points: memory,
      },
    ],
    slopes: [],
  };
}
