/** The benchmark runs, prints, and leaves nothing behind that runs on. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';

const RUN = join(import.meta.dirname, '..', '..', 'bench', 'run.ts');

async function bench(...args: string[]): Promise<{ code: unknown; output: string }> {
  const child = spawn(process.execPath, [RUN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const gone = once(child, 'exit');
  // Its end comes when the last process that shares the pipe is gone: so are the children then.
  const output = await text(child.stdout);
  const [code]: unknown[] = await gone;
  return { code, output };
}

test('a scenario measures the gateway, both relays and the direct client', {
  timeout: 60_000,
}, async () => {
  const { code, output } = await bench('--quick', '--only', 'alone');
  expect(output).toMatch(/one user, nobody else +\| gateway \| SDK relay \| lean relay \| direct/);
  expect(output).toMatch(/send → first delta, p50, ms( +\| +[\d.]+){4} \|/);
  expect(output).toMatch(/chat\.send → durable acknowledgement, p99, ms +\| +[\d.]+ \|/);
  expect(code).toBe(0);
});

test('an unknown scenario is refused with the names of those that exist', async () => {
  const { code, output } = await bench('--only', 'nothing');
  expect(output).toContain(
    'alone, paced, saturated, watched, bytes, handshakes, memory, store, start',
  );
  expect(code).toBe(1);
});
