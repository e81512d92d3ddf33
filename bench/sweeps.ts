/** `--plots`: how cost grows with what there is more of, as pictures and as slopes. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toSvg } from './plot.ts';
import { script } from './processes.ts';
import type { Setup } from './setup.ts';
import { sweepAnswers } from './sweeps/answers.ts';
import { sweepHistory } from './sweeps/history.ts';
import { sweepSockets } from './sweeps/sockets.ts';
import { sweepStreams } from './sweeps/streams.ts';
import type { Table } from './table.ts';

const SWEEPS = [sweepStreams, sweepSockets, sweepAnswers, sweepHistory];

/** Writes docs/plots/; the slopes come back. */
export async function plotSweeps(setup: Setup): Promise<Table> {
  const folder = script('..', 'docs', 'plots');
  mkdirSync(folder, { recursive: true });
  const rows = [];
  for (const sweep of SWEEPS) {
    const { plots, slopes } = await sweep(setup);
    for (const plot of plots) {
      writeFileSync(join(folder, `${plot.name}.svg`), `${await toSvg(plot)}\n`);
    }
    rows.push(...slopes);
  }
  const columns = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))];
  return { title: 'how cost grows', columns, rows };
}
