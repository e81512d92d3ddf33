/** Keeps docs/performance.md true: its last section is what the last full run printed. */

import { readFileSync, writeFileSync } from 'node:fs';
import { script } from './processes.ts';
import { type Table, toMarkdown } from './table.ts';

const HEADING = '## The last full run\n';

/** Replaces everything behind the heading. */
export function writeDocument(machine: string, tables: readonly Table[]): void {
  const file = script('..', 'docs', 'performance.md');
  const [explained, ...rest] = readFileSync(file, 'utf8').split(HEADING);
  if (explained === undefined || rest.length !== 1) throw new Error(`no "${HEADING.trim()}" there`);
  const run = [`${machine}.`, ...tables.map(toMarkdown)].join('\n\n');
  writeFileSync(file, `${explained}${HEADING}\n${run}\n`);
}
