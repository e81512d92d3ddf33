/** What a sweep gives: pictures, and how steep their lines are. */

import type { Plot, Point } from '../plot.ts';
import type { Row } from '../table.ts';

export interface Sweep {
  plots: Plot[];
  /** Slopes; the columns are the lines. */
  slopes: Row[];
}

/** By how much y grows with x, by line: least squares over its points (of one figure, if it names one). */
export function slopes(
  points: readonly Point[],
  perX: number,
  figure?: string,
): Record<string, number[]> {
  const lines = [...new Set(points.map(({ line }) => line))];
  return Object.fromEntries(
    lines.map((line) => {
      const own = points.filter((each) => each.line === line && each.figure === figure);
      return [line, [perX * slope(own)]];
    }),
  );
}

function slope(points: readonly Point[]): number {
  const mean = (values: readonly number[]) =>
    values.reduce((sum, each) => sum + each, 0) / values.length;
  const x = mean(points.map((point) => point.x));
  const y = mean(points.map((point) => point.y));
  const covariance = mean(points.map((point) => (point.x - x) * (point.y - y)));
  return covariance / mean(points.map((point) => (point.x - x) ** 2));
}
