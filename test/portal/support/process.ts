/** The portal's executable: commands to their end, and `serve` as a process. */

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { type CommandResult, runCommand } from '../../support/cli.ts';
import { PORTAL } from '../../support/programs.ts';

/** `oc-portal …` with its configuration named in the environment. */
export function portalCommand(
  args: readonly string[],
  options: { config?: string; env?: Record<string, string>; input?: string } = {},
): Promise<CommandResult> {
  const { config, env, input } = options;
  return runCommand(args, {
    command: [process.execPath, PORTAL],
    env: { ...(config !== undefined && { OC_PORTAL_CONFIG: config }), ...env },
    ...(input !== undefined && { input }),
  });
}

export interface PortalProcess {
  readonly url: string;
  readonly output: () => string;
  /** Stops reading what it logs, and goes on with it. */
  readonly pauseReading: () => void;
  readonly resumeReading: () => void;
  /** Resolves with its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export async function startPortalProcess(config: string): Promise<PortalProcess> {
  const child = spawn(process.execPath, [PORTAL, 'serve', '--config', config, '--port', '0'], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', (code) => resolve(code));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  child.stderr.on('data', (chunk) => {
    output += String(chunk);
  });
  const lines = createInterface({ input: child.stdout });
  const port = await new Promise<number>((resolve, reject) => {
    lines.on('line', (line) => {
      output += `${line}\n`;
      if (line.includes('"event":"listening"')) resolve(Number(JSON.parse(line).port));
    });
    void exited.then(() => reject(new Error(`the portal ended:\n${output}`)));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    output: () => output,
    pauseReading: () => void lines.pause(),
    resumeReading: () => void lines.resume(),
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return exited;
    },
  };
}
