/** What a scenario found, and how it is printed: Markdown that lines up in a terminal too. */

import { median } from './statistics.ts';

export interface Row {
  metric: string;
  unit: string;
  /** By column; one value for each round. A column without an entry does not have this metric. */
  values: Readonly<Record<string, readonly number[]>>;
  /** Columns that the first one is worth being divided by. */
  per?: readonly string[];
  /** What the first column is to reach. */
  targets?: readonly Target[];
}

/** A bound of the median; with `of`, of the median of the ratios to that column. */
export type Target = ({ most: number } | { least: number }) & { of?: string };

/** Where a row stands with one of its targets. */
export interface Verdict {
  measured: string;
  bound: string;
  reached: boolean;
}

export interface Table {
  title: string;
  columns: readonly string[];
  rows: readonly Row[];
}

/**
 * Medians over the rounds, the range in parentheses, the median of each round's own ratio, and where
 * the row stands with its targets.
 */
export function toMarkdown({ title, columns, rows }: Table): string {
  const ours = columns[0] ?? '';
  const hasRatios = rows.some((row) => row.per);
  const hasTargets = rows.some((row) => row.targets);
  const head = [
    title,
    ...columns,
    ...(hasRatios ? [`${ours} is`] : []),
    ...(hasTargets ? ['target'] : []),
  ];
  const lines = rows.map((row) => [
    named(row),
    ...columns.map((column) => withSpread(row.values[column])),
    ...(hasRatios ? [ratiosOf(row, ours)] : []),
    ...(hasTargets ? [verdicts(row, ours).map(standing).join(', ')] : []),
  ]);
  return toGrid([head, ...lines]);
}

/** Where every row that has a target stands, in one table; nothing if none has. */
export function targetsToMarkdown(tables: readonly Table[]): string {
  const lines = tables.flatMap(({ title, columns, rows }) =>
    rows.flatMap((row) =>
      verdicts(row, columns[0] ?? '').map(({ measured, bound, reached }) => [
        `${title}: ${named(row)}`,
        measured,
        bound,
        reached ? 'reached' : 'missed',
      ]),
    ),
  );
  if (lines.length === 0) return '';
  return toGrid([['what is to be reached', 'measured', 'target', ''], ...lines]);
}

/** Of the column `ours`; none where it has not been measured. */
export function verdicts({ values, targets = [] }: Row, ours: string): Verdict[] {
  const measured = values[ours] ?? [];
  if (measured.length === 0) return [];
  return targets.map((target) => {
    const { of } = target;
    const value = median(of === undefined ? measured : ratios(values, ours, of));
    const times = of === undefined ? '' : ` × ${of}`;
    const reached = 'most' in target ? value <= target.most : value >= target.least;
    const bound = 'most' in target ? `≤ ${figure(target.most)}` : `≥ ${figure(target.least)}`;
    return { measured: `${figure(value)}${times}`, bound: `${bound}${times}`, reached };
  });
}

function standing({ bound, reached }: Verdict): string {
  return `${bound}: ${reached ? 'reached' : 'missed'}`;
}

function named({ metric, unit }: Row): string {
  return unit === '' ? metric : `${metric}, ${unit}`;
}

/** A table of text; the first line is its head. */
function toGrid(lines: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = lines;
  const widths = head.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)));
  const ruler = widths.map((width, index) => (index === 0 ? '-'.repeat(width) : rightRule(width)));
  return [head, ruler, ...rest].map((line) => format(line, widths)).join('\n');
}

function withSpread(values: readonly number[] | undefined): string {
  if (!values || values.length === 0) return '';
  const middle = figure(median(values));
  if (values.length === 1) return middle;
  return `${middle} (${figure(Math.min(...values))} – ${figure(Math.max(...values))})`;
}

function ratiosOf({ values, per = [] }: Row, ours: string): string {
  const texts = per.map((other) => {
    const each = ratios(values, ours, other);
    return each.length === 0 ? '' : `${median(each).toFixed(2)} × ${other}`;
  });
  return texts.join(', ');
}

/** Round by round. */
function ratios(values: Row['values'], ours: string, other: string): number[] {
  const below = values[other] ?? [];
  return (values[ours] ?? []).map((value, round) => value / (below[round] ?? Number.NaN));
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
