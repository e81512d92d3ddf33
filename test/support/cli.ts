/** Runs a command of the executable to its end. */

import { spawn } from 'node:child_process';
import { GATEWAY } from './programs.ts';

export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export function runCommand(
  args: readonly string[],
  options: {
    env?: Record<string, string>;
    input?: string;
    command?: readonly string[];
    cwd?: string;
  } = {},
): Promise<CommandResult> {
  const [executable = process.execPath, ...before] = options.command ?? [process.execPath, GATEWAY];
  const child = spawn(executable, [...before, ...args], {
    env: { PATH: process.env['PATH'], ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    stdio: 'pipe',
  });
  child.stdin.end(options.input ?? '');
  const result: CommandResult = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    result.stdout += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    result.stderr += String(chunk);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ ...result, code }));
  });
}
