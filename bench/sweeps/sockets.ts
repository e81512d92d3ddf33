/** More and more sockets that say nothing. */

import type { Point } from '../plot.ts';
import { affordableSockets } from '../scenarios/memory.ts';
import { GATEWAY, LEAN, type Setup, startGatewaySubject, startRelay } from '../setup.ts';
import { type Sweep, slopes } from './sweep.ts';

const SHARES = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1];

export async function sweepSockets(setup: Setup): Promise<Sweep> {
  const most = affordableSockets(setup.plan.idleSockets);
  const steps = SHARES.map((share) => Math.round(share * most));
  const points: Point[] = [];
  const kinds = [
    { line: GATEWAY, start: () => startGatewaySubject(setup, { watched: false }) },
    { line: LEAN, start: () => startRelay(setup, 'lean') },
  ];
  for (const { line, start } of kinds) {
    const subject = await start();
    const { residentKib } = await setup.load.run('idle', {
      port: subject.target.port,
      pid: subject.pid ?? 0,
      steps,
      settleMs: setup.plan.settleMs,
      windowMs: 0,
    });
    await subject.stop();
    residentKib.forEach((kib, step) => {
      points.push({ x: steps[step] ?? 0, y: (1_024 * kib) / 1e6, line });
    });
  }
  return {
    plots: [
      {
        name: 'sockets-memory',
        title: 'Resident memory over idle sockets',
        x: { title: 'authenticated sockets' },
        y: { title: 'megabytes' },
        points,
      },
    ],
    slopes: [{ metric: 'resident for one more socket', unit: 'kB', values: slopes(points, 1_000) }],
  };
}
