/** docs/guarantees.md promises nothing that no test tries to break. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(ROOT, 'docs', 'guarantees.md'), 'utf8');

/** `1. Promise` up to the next one or the next heading. */
const promises = [...page.matchAll(/^(\d+)\. ([\s\S]*?)(?=^\d+\. |^## )/gm)].map(
  ([, number, text]) => ({
    number: Number(number),
    proofs: [...(text ?? '').matchAll(/^ +- `([^`]+)`: ([^\n]+)$/gm)].map(([, file, title]) => ({
      file: file ?? '',
      title: title ?? '',
    })),
  }),
);

describe('the guarantees', () => {
  test('are numbered from 1 without a gap', () => {
    expect(promises.length).toBeGreaterThan(15);
    expect(promises.map(({ number }) => number)).toEqual(promises.map((_, index) => index + 1));
  });

  test.each(promises)('$number has a proof that exists', ({ proofs }) => {
    expect(proofs.length).toBeGreaterThan(0);
    for (const { file, title } of proofs) {
      expect(existsSync(join(ROOT, file)), file).toBe(true);
      // Titles are written with either quotation mark, and may be broken over lines.
      const source = readFileSync(join(ROOT, file), 'utf8').replaceAll("\\'", "'");
      expect(source, title).toContain(title);
    }
  });
});
