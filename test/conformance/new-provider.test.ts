/** What `npm run provider:new` lays. */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newProvider } from './new-provider.ts';

const registry = join('providers', 'registry.ts');
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'new-provider-'));
  mkdirSync(join(root, 'providers'));
  mkdirSync(join(root, 'test', 'conformance', 'fixtures'), { recursive: true });
  cpSync(join(import.meta.dirname, '..', '..', registry), join(root, registry));
});
afterEach(() => rmSync(root, { recursive: true }));

const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');

describe('a new provider', () => {
  it('is an adapter, a line in the registry and a fixture folder', () => {
    newProvider(root, 'my-api');
    expect(read(registry)).toContain(
      "  'my-api': () => import('./my-api.ts'),\n  demo: () => import('./demo.ts'),\n",
    );
    const adapter = read('providers', 'my-api.ts');
    expect(adapter).toContain('export const createAdapter');
    expect(adapter).toContain("from './adapter.ts'");
    expect(adapter).not.toContain('../');
    expect(read('test', 'conformance', 'fixtures', 'my-api', 'fixture.ts')).toContain(
      'export const fixture',
    );
    expect(read('test', 'conformance', 'fixtures', 'my-api', 'plain.txt')).toBe('');
  });

  it.each(['', 'My-Api', '../evil', 'a--b', '9lives', 'a.b'])('is not called “%s”', (name) => {
    expect(() => newProvider(root, name)).toThrow('lower-case');
  });

  it('never overwrites one that is there', () => {
    newProvider(root, 'mine');
    const before = read(registry);
    expect(() => newProvider(root, 'mine')).toThrow('already');
    expect(read(registry)).toBe(before);
  });
});
