/** Lines over a quantity, drawn by Vega-Lite into an SVG; no browser is needed for it. */

import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

export interface Point {
  x: number;
  y: number;
  /** The line that it belongs to; a colour each. */
  line: string;
  /** Which figure of it, where there are two (`p50`, `p99`). */
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

/** Of the first figure of a line, and of the second. */
const DASHES = [
  [1, 0],
  [4, 3],
];

/** On white: a page with a dark background shows it as a sheet. */
export function toSvg(plot: Plot): Promise<string> {
  const view = new View(parse(compile(specOf(plot)).spec), { renderer: 'none' });
  return view.toSVG();
}

function specOf({ title, x, y, points }: Plot): TopLevelSpec {
  const names = [...new Set(points.map(({ line }) => line))];
  const figures = [...new Set(points.flatMap(({ figure }) => figure ?? []))];
  return {
    title: {
      text: title,
      anchor: 'start',
      fontSize: 14,
      ...(figures.length > 1 && { subtitle: `${figures[0]}: solid, ${figures[1]}: dashed` }),
    },
    width: WIDTH,
    height: HEIGHT,
    background: 'white',
    padding: 10,
    data: { values: [...points] },
    mark: { type: 'line', point: { filled: true, size: 40 }, strokeWidth: 2 },
    encoding: {
      x: {
        field: 'x',
        ...channel(
          x,
          points.map((point) => point.x),
        ),
      },
      y: {
        field: 'y',
        ...channel(
          y,
          points.map((point) => point.y),
        ),
      },
      color: { field: 'line', type: 'nominal', title: null, sort: names },
      ...(figures.length > 1 && {
        strokeDash: {
          field: 'figure',
          type: 'nominal',
          title: null,
          sort: figures,
          scale: { range: DASHES },
          legend: null,
        },
      }),
    },
    config: {
      axis: { labelFontSize: 11, titleFontSize: 12 },
      legend: { labelFontSize: 12, labelLimit: 0 },
    },
  };
}

/** No logarithmic axis reaches 0; any other begins there. */
function channel({ title, logarithmic }: Axis, values: readonly number[]) {
  if (!logarithmic) {
    return { type: 'quantitative', title, scale: { type: 'linear', zero: true } } as const;
  }
  const axis = { values: powersOfTen(Math.min(...values), Math.max(...values)) };
  return { type: 'quantitative', title, scale: { type: 'log' }, axis } as const;
}

/** Around all that lies between the two. */
function powersOfTen(least: number, most: number): number[] {
  const first = Math.floor(Math.log10(least));
  const last = Math.ceil(Math.log10(most));
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
}
