/** A process of the chain under test: started from the sources, killed and started again at will, its log read. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { createInbox } from './inbox.ts';

export type LogLine = Readonly<Record<string, unknown>>;

export interface Part {
  pid(): number;
  /** Everything that it wrote, over all its starts. */
  output(): string;
  readonly lines: readonly LogLine[];
  /** Resolves with the first line, already written or to come, that has these fields. */
  logged(event: string, fields?: LogLine): Promise<LogLine>;
  /** The same among the lines to come: ask before what causes them. */
  willLog(event: string, fields?: LogLine): Promise<LogLine>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves when it is gone, whoever ended it. */
  gone(): Promise<void>;
  kill(): Promise<void>;
  /** Starts it, and resolves when it listens. */
  start(): Promise<void>;
}

export interface PartOptions {
  name: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
}

const STOPPED: LogLine = { event: 'part_gone' };

/** Nothing runs before `start`. */
export function createPart({ name, args, env }: PartOptions): Part {
  const inbox = createInbox<LogLine>();
  let child: ChildProcess | undefined;
  let gone = Promise.resolve();
  let output = '';
  const matcher = (event: string, fields: LogLine) => {
    const wanted = Object.entries({ event, ...fields });
    return (line: LogLine) => wanted.every(([key, value]) => line[key] === value);
  };
  const future = (matches: (line: LogLine) => boolean) => {
    const from = inbox.items.length;
    return inbox.find((line) => inbox.items.indexOf(line) >= from && matches(line));
  };

  return {
    pid: () => child?.pid ?? 0,
    output: () => output,
    lines: inbox.items,
    logged: (event, fields = {}) => inbox.find(matcher(event, fields)),
    willLog: (event, fields = {}) => future(matcher(event, fields)),
    signal: (signal) => void child?.kill(signal),
    gone: () => gone,
    async kill() {
      child?.kill('SIGKILL');
      await gone;
    },
    async start() {
      await gone;
      const isUp = matcher('listening', {});
      const up = future((line) => line === STOPPED || isUp(line));
      const started = spawn(process.execPath, args, {
        env: { PATH: process.env['PATH'] ?? '', ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child = started;
      started.stderr.on('data', (chunk) => {
        output += String(chunk);
      });
      createInterface({ input: started.stdout }).on('line', (text) => {
        output += `${text}\n`;
        const line = parse(text);
        if (line) inbox.push(line);
      });
      gone = new Promise((resolve) => {
        started.once('close', () => {
          inbox.push(STOPPED);
          resolve();
        });
      });
      if ((await up) === STOPPED) throw new Error(`${name} did not start:\n${output}`);
    },
  };
}

/** Runs a command to its end; what it printed. */
export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input = '',
): Promise<string> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  let printed = '';
  let said = '';
  child.stdout.on('data', (chunk) => {
    printed += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${args.slice(1).join(' ')} ended with ${code}:\n${said}`);
  return printed;
}

function parse(text: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
