/** The log does not hold up what it tells of. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';

/** Writes lines whether they are read or not, and says on its channel how far it is. */
const writer = (program: string) => `
import { createLog } from ${JSON.stringify(join(import.meta.dirname, '../..', program, 'log.ts'))};
// As in ${program}/main.ts: a pipe that is full says so instead of waiting.
process.stdout.on('error', () => {});
const log = createLog('info');
const filler = 'x'.repeat(1_000);
process.on('message', (lines) => {
  for (let n = 0; n < lines; n += 1) log.info({ event: 'line', n, filler });
  process.send('written');
});
`;

test.each(['gateway', 'portal'])(
  'a reader of standard output that does not read holds up nobody in the %s; what is dropped is counted',
  async (program) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', writer(program)], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const wrote = async (lines: number) => {
      child.send(lines);
      await once(child, 'message');
    };
    // Far more than the pipe and the buffer hold.
    await wrote(6_000);

    const seen: { event: string; n: number; lines: number }[] = [];
    if (!child.stdout) throw new Error('the process has no output');
    createInterface({ input: child.stdout }).on('line', (line) => seen.push(JSON.parse(line)));
    const told = (event: string) => seen.filter((each) => each.event === event);
    await expect.poll(() => told('log_lines_dropped').length, { timeout: 20_000 }).toBe(1);
    // The oldest are all there, whole and in order.
    const kept = told('line').map(({ n }) => n);
    expect(kept).toEqual(kept.map((_, index) => index));
    expect(kept.length).toBeGreaterThan(3_000);
    expect(kept.length + (told('log_lines_dropped')[0]?.lines ?? 0)).toBe(6_000);
    await wrote(1);
    await expect.poll(() => told('line').length).toBe(kept.length + 1);
  },
);
