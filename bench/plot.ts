/** Lines over a quantity, drawn by Vega-Lite into an SVG; no browser is needed for it. */

import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

export interface Point {
  x: number;
  y: number;
  /** The line that it belongs to; a colour each. */
  line: string;
  /** Which figure of it, where there are several (`p50`, `p99`); a dash each. */
  figure?: string;
}

export interface Axis {
  title: string;
  /** Powers of ten at even distances; nothing on it may be 0. */
  logarithmic?: boolean;
}

export interface Plot {
  /** Of the file, without its ending. */
  name: string;
  title: string;
  x: Axis;
  y: Axis;
  points: readonly Point[];
}

const WIDTH = 560;
const HEIGHT = 300;

/** On white: a page with a dark background shows it as a sheet. */
export function toSvg(plot: Plot): Promise<string> {
  const view = new View(parse(compile(specOf(plot)).spec), { renderer: 'none' });
  return view.toSVG();
}

function specOf({ title, x, y, points }: Plot): TopLevelSpec {
  const names = [...new Set(points.map(({ line }) => line))];
  const figures = [...new Set(points.flatMap(({ figure }) => figure ?? []))];
  return {
    title: { text: title, anchor: 'start', fontSize: 14 },
    width: WIDTH,
    height: HEIGHT,
    background: 'white',
    padding: 10,
    data: { values: [...points] },
    mark: { type: 'line', point: { filled: true, size: 40 }, strokeWidth: 2 },
    encoding: {
      x: { field: 'x', ...channel(x) },
      y: { field: 'y', ...channel(y) },
      color: { field: 'line', type: 'nominal', title: null, sort: names },
      ...(figures.length > 1 && {
        strokeDash: {
          field: 'figure',
          type: 'nominal',
          title: null,
          sort: figures,
          legend: { symbolType: 'stroke', symbolSize: 300 },
        },
      }),
    },
    config: {
      axis: { labelFontSize: 11, titleFontSize: 12 },
      legend: { labelFontSize: 12, labelLimit: 300 },
    },
  };
}

/** No logarithmic axis reaches 0; any other begins there. */
function channel({ title, logarithmic }: Axis): {
  type: 'quantitative';
  title: string;
  scale: { type: 'log' } | { type: 'linear'; zero: true };
} {
  const scale = logarithmic
    ? ({ type: 'log' } as const)
    : ({ type: 'linear', zero: true } as const);
  return { type: 'quantitative', title, scale };
}
