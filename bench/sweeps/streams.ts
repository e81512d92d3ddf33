/** More and more answers at a model's pace. */

import type { PacedResult } from '../load/paced.ts';
import type { Point } from '../plot.ts';
import { cpuPerDelta, runPaced } from '../scenarios/paced.ts';
import { allSubjects, DIRECT, type Setup, SUBJECT } from '../setup.ts';
import { median } from '../statistics.ts';
import { type Sweep, slopes } from './sweep.ts';

const STREAMS = [1, 50, 100, 150, 200, 300];

export async function sweepStreams(setup: Setup): Promise<Sweep> {
  const latency: Point[] = [];
  const cpu: Point[] = [];
  const memory: Point[] = [];
  const subjects = await allSubjects(setup);
  for (const x of STREAMS) {
    const { plan } = setup;
    for (const subject of subjects) {
      const line = subject.name;
      const results: PacedResult[] = [];
      while (results.length < plan.rounds) {
        results.push(await runPaced({ ...setup, plan: { ...plan, streams: x } }, subject));
      }
      const of = (figure: (result: PacedResult) => number) => median(results.map(figure));
      latency.push(
        { x, y: of(({ underWay }) => underWay.p50), line, figure: 'p50' },
        { x, y: of(({ underWay }) => underWay.p99), line, figure: 'p99' },
      );
      if (line === DIRECT) continue;
      cpu.push({ x, y: of((result) => cpuPerDelta(result) ?? 0), line });
      memory.push({
        x,
        y: of(({ residentKib }) => ((residentKib[SUBJECT] ?? 0) * 1_024) / 1e6),
        line,
      });
    }
  }
  const streams = { title: `streams, each of ${1_000 / setup.plan.tokenEveryMs} tokens a second` };
  return {
    plots: [
      {
        name: 'streams-latency',
        title: 'How long a delta is under way',
        x: streams,
        y: { title: 'milliseconds', logarithmic: true },
        points: latency,
      },
      {
        name: 'streams-cpu',
        title: 'Processor time per delta',
        x: streams,
        y: { title: 'microseconds' },
        // One stream uses less time than the clock of processes can tell.
        points: cpu.filter(({ x }) => x > 1),
      },
      {
        name: 'streams-memory',
        title: 'Resident memory while answers stream',
        x: streams,
        y: { title: 'megabytes' },
        points: memory,
      },
    ],
    slopes: [
      {
        metric: 'delta under way, p50, for 100 more streams',
        unit: 'ms',
        values: slopes(latency, 100, 'p50'),
      },
      { metric: 'resident for one more stream', unit: 'kB', values: slopes(memory, 1_000) },
    ],
  };
}
