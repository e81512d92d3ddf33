/** Pictures come out of what was measured, and stand where the page shows them. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { withSection } from '../../bench/document.ts';
import { toSvg } from '../../bench/plot.ts';
import { slopes } from '../../bench/sweeps/sweep.ts';

const points = [1, 2, 3].flatMap((x) => [
  { x, y: 10 + 5 * x, line: 'gateway' },
  { x, y: 7, line: 'relay' },
]);

test('a plot names its axes and lines, and draws each of them', async () => {
  const svg = await toSvg({
    name: 'memory',
    title: 'Memory over sockets',
    x: { title: 'sockets' },
    y: { title: 'megabytes' },
    points,
  });
  for (const text of ['Memory over sockets', 'sockets', 'megabytes', 'gateway', 'relay']) {
    expect(svg).toContain(`>${text}</text>`);
  }
  expect(svg.match(/aria-roledescription="line mark"/g)).toHaveLength(2);
});

test('a slope is what y grows by', () => {
  const { gateway = [], relay = [] } = slopes(points, 1_000);
  expect(gateway[0]).toBeCloseTo(5_000);
  expect(relay[0]).toBeCloseTo(0);
});

describe('the page', () => {
  const DOCS = join(import.meta.dirname, '..', '..', 'docs');
  const page = readFileSync(join(DOCS, 'performance.md'), 'utf8');

  test('shows pictures that are there', () => {
    const shown = [...page.matchAll(/\]\((plots\/[^)]+)\)/g)].map(([, path = '']) => path);
    expect(shown.length).toBeGreaterThan(5);
    expect(shown.filter((path) => !existsSync(join(DOCS, path)))).toEqual([]);
  });

  test('has the sections that a run writes, and keeps the others', () => {
    for (const heading of ['The slopes', 'The last full run']) {
      const written = withSection(page, heading, 'measured');
      expect(written).toContain(`## ${heading}\n\nmeasured\n`);
      expect(written.match(/^## .+$/gm)).toEqual(page.match(/^## .+$/gm));
    }
    expect(() => withSection(page, 'Nowhere', '')).toThrow('there must be one');
  });
});
