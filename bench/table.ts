/** What a scenario found, and how it is printed: Markdown that lines up in a terminal too. */

import { median } from './statistics.ts';

export interface Row {
  metric: string;
  unit: string;
  /** By column; one value for each round. A column without an entry does not have this metric. */
  values: Readonly<Record<string, readonly number[]>>;
  /** Columns that the first one is worth being divided by. */
  per?: readonly string[];
}

export interface Table {
  title: string;
  columns: readonly string[];
  rows: readonly Row[];
}

/** Medians over the rounds, the range in parentheses, and the median of each round's own ratio. */
export function toMarkdown({ title, columns, rows }: Table): string {
  const ours = columns[0] ?? '';
  const hasRatios = rows.some((row) => row.per);
  const head = [title, ...columns, ...(hasRatios ? [`${ours} is`] : [])];
  const lines = rows.map((row) => [
    row.unit === '' ? row.metric : `${row.metric}, ${row.unit}`,
    ...columns.map((column) => withSpread(row.values[column])),
    ...(hasRatios ? [ratiosOf(row, ours)] : []),
  ]);
  const widths = head.map((_, index) =>
    Math.max(...[head, ...lines].map((line) => line[index]?.length ?? 0)),
  );
  const ruler = widths.map((width, index) => (index === 0 ? '-'.repeat(width) : rightRule(width)));
  return [head, ruler, ...lines].map((line) => format(line, widths)).join('\n');
}

function withSpread(values: readonly number[] | undefined): string {
  if (!values || values.length === 0) return '';
  const middle = figure(median(values));
  if (values.length === 1) return middle;
  return `${middle} (${figure(Math.min(...values))} – ${figure(Math.max(...values))})`;
}

function ratiosOf({ values, per = [] }: Row, ours: string): string {
  const texts = per.map((other) => {
    const below = values[other] ?? [];
    const ratios = (values[ours] ?? []).map((value, round) => value / (below[round] ?? Number.NaN));
    return ratios.length === 0 ? '' : `${median(ratios).toFixed(2)} × ${other}`;
  });
  return texts.join(', ');
}

/** Three digits that count, and no more. */
function figure(value: number): string {
  const size = Math.abs(value);
  if (size >= 1_000) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

function rightRule(width: number): string {
  return `${'-'.repeat(Math.max(1, width - 1))}:`;
}

function format(line: readonly string[], widths: readonly number[]): string {
  const cells = line.map((cell, index) => {
    const width = widths[index] ?? 0;
    return index === 0 ? cell.padEnd(width) : cell.padStart(width);
  });
  return `| ${cells.join(' | ')} |`;
}
