/** The benchmark runs, prints, and leaves nothing behind that runs on. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const RUN = join(ROOT, 'bench', 'run.ts');

async function bench(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: unknown; output: string }> {
  const child = spawn(process.execPath, [RUN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const gone = once(child, 'exit');
  // Its end comes when the last process that shares the pipe is gone: so are the children then.
  const output = await text(child.stdout);
  const [code]: unknown[] = await gone;
  return { code, output };
}

test('a scenario measures the gateway, both relays and the direct client', {
  timeout: 60_000,
}, async () => {
  const { code, output } = await bench(['--quick', '--only', 'alone']);
  expect(output).toMatch(/one user, nobody else +\| gateway \| SDK relay \| lean relay \| direct/);
  expect(output).toMatch(/send → first delta, p50, ms( +\| +[\d.]+){4} \|/);
  expect(output).toMatch(/chat\.send → durable acknowledgement, p99, ms +\| +[\d.]+ \|/);
  expect(code).toBe(0);
});

test('an unknown scenario is refused with the names of those that exist', async () => {
  const { code, output } = await bench(['--only', 'nothing']);
  expect(output).toContain(
    'alone, paced, saturated, watched, bytes, handshakes, memory, store, start, workers, openclaw',
  );
  expect(code).toBe(1);
});

test('an OpenClaw that the environment names is measured beside the gateway', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'oc-gateway-bench-'));
  const program = join(folder, 'openclaw');
  const standIn = join(import.meta.dirname, 'stand-in-openclaw.ts');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${standIn}' "$@"\n`, {
    mode: 0o700,
  });
  const { code, output } = await bench(['--quick', '--only', 'openclaw'], {
    OPENCLAW_BIN: program,
  });
  rmSync(folder, { recursive: true });
  expect(output).toMatch(/beside OpenClaw +\| +gateway \| +OpenClaw \|/);
  expect(output).toMatch(/spawn → first handshake, ms( +\| +[\d.,]+){2} \|/);
  // Ours has each token once, the other one all so far in each delta.
  const [, ours, theirs] =
    /an answer of 50 tokens, kB +\| +([\d.]+) \| +([\d.]+) \|/.exec(output) ?? [];
  expect(Number(ours)).toBeLessThan(Number(theirs));
  expect(code).toBe(0);
});

test('a commit is built and measured beside what stands in the folder, each twice', {
  timeout: 60_000,
}, async () => {
  // A repository of its own: that of the folder may be shallow, or none.
  const folder = mkdtempSync(join(tmpdir(), 'oc-gateway-bench-'));
  const git = (...args: readonly string[]) =>
    execFileSync('git', ['--git-dir', folder, '--work-tree', ROOT, ...args], { cwd: ROOT });
  git('init', '--quiet');
  const sources = ['gateway', 'agents', 'providers', 'portal', 'deploy'];
  git('add', 'package.json', 'rolldown.config.ts', ...sources);
  const author = ['user.name=test', 'user.email=test@example.com', 'commit.gpgsign=false'];
  git(...author.flatMap((each) => ['-c', each]), 'commit', '--quiet', '--message', 'before');
  const args = ['--quick', '--only', 'alone', '--against', 'HEAD'];
  const { code, output } = await bench(args, { GIT_DIR: folder });
  rmSync(folder, { recursive: true });
  expect(output).toMatch(
    /one user +\| +this folder \| +HEAD \| +this folder, once more \| +HEAD, once more \|/,
  );
  expect(output).toMatch(/send → first delta, p50, ms( +\| +[\d.]+){4} \| +[\d.]+ × HEAD \|/);
  expect(code).toBe(0);
});

test('a commit that git does not know is refused, and told what there is', async () => {
  const { code, output } = await bench(['--against', 'no-such-commit']);
  expect(output).toContain('--against');
  expect(code).toBe(1);
});
