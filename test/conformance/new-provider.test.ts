/** What `npm run provider:new` lays. */

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newProvider } from './new-provider.ts';

/** What the suite needs of a checkout, which the programs are built from. */
const PARTS = [
  'agents',
  'deploy',
  'gateway',
  'package.json',
  'portal',
  'providers',
  'rolldown.config.ts',
  'test',
  'vitest.config.ts',
];
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

  it('is green nowhere as long as nothing is proved of it', async () => {
    const tree = mkdtempSync(join(tmpdir(), 'new-provider-suite-'));
    const checkout = join(import.meta.dirname, '..', '..');
    for (const part of PARTS) cpSync(join(checkout, part), join(tree, part), { recursive: true });
    symlinkSync(join(checkout, 'node_modules'), join(tree, 'node_modules'));
    newProvider(tree, 'acme');
    const { numTotalTests, numPassedTests } = await runSuite(tree);
    rmSync(tree, { recursive: true });
    expect(numTotalTests).toBeGreaterThan(60);
    expect(numPassedTests).toBe(0);
  }, 120_000);
});

/** The results of the suite for the API `acme` of the tree. */
async function runSuite(tree: string) {
  const vitest = join(tree, 'node_modules', 'vitest', 'vitest.mjs');
  const report = join(tree, 'report.json');
  const folder = join('test', 'conformance');
  const files = ['answers', 'failures', 'load', 'process', 'requests'].map((name) =>
    join(folder, `${name}.test.ts`),
  );
  const options = ['--reporter=json', `--outputFile=${report}`, '-t', 'acme'];
  await new Promise<void>((resolve) => {
    execFile(process.execPath, [vitest, 'run', ...options, ...files], { cwd: tree }, () =>
      resolve(),
    );
  });
  const found: { testResults: { assertionResults: { status: string }[] }[] } = JSON.parse(
    readFileSync(report, 'utf8'),
  );
  const statuses = found.testResults
    .flatMap((file) => file.assertionResults)
    .map((test) => test.status)
    .filter((status) => status === 'passed' || status === 'failed');
  return {
    numTotalTests: statuses.length,
    numPassedTests: statuses.filter((status) => status === 'passed').length,
  };
}
