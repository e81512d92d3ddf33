/** A process of the chain: started, watched, its log kept, ended by its id. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

export type LogLine = Readonly<Record<string, unknown>>;

export interface ProcessOptions {
  /** For messages. */
  name: string;
  command: string;
  args: readonly string[];
  /** Added to PATH and HOME; nothing else of this process's environment is handed on. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Where both outputs go; absent: nowhere, for a command that prints a secret. */
  logFile?: string;
}

export interface ChainProcess {
  readonly name: string;
  readonly pid: number;
  /** Resolves with the first line of its JSON log, written or to come, of this event; rejects if it ends before. */
  logged(event: string): Promise<LogLine>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves with what it wrote to standard output, and rejects if it failed: for commands. */
  output(): Promise<string>;
  /** SIGTERM, and SIGKILL after the grace. Resolves when it is gone. */
  stop(graceMs?: number): Promise<void>;
  /** Resolves when it is gone, however that came. */
  readonly exited: Promise<string>;
}

const DEFAULT_GRACE_MS = 5_000;
/** Milliseconds after its end in which its last words may still arrive. */
const OUTPUT_MS = 500;
/** Of what it last said, in the message of a failure. */
const TAIL_CHARS = 2_000;
/** Kept of what a command prints; a server prints without end. */
const PRINTED_CHARS = 65_536;

export function startProcess(options: ProcessOptions): ChainProcess {
  const { name } = options;
  const child = spawn(options.command, options.args, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = options.logFile ? createWriteStream(options.logFile, { flags: 'a' }) : undefined;
  // A log that cannot be written must not end what it is the log of.
  log?.on('error', () => {});
  let tail = '';
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      if (log?.writable) log.write(chunk);
      tail = (tail + chunk.toString()).slice(-TAIL_CHARS);
    });
  }
  child.stdout.on('data', (chunk: Buffer) => {
    if (printed.length < PRINTED_CHARS) printed += chunk.toString();
  });
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    const end = (code: number | null, signal: NodeJS.Signals | null) => {
      log?.end();
      resolve(signal ?? `exit code ${code}`);
    };
    child.once('close', end);
    // A killed nginx leaves workers that hold its outputs open, and "close" waits for those.
    child.once('exit', (code, signal) => {
      const late = setTimeout(() => {
        for (const stream of [child.stdout, child.stderr]) stream.destroy();
        end(code, signal);
      }, OUTPUT_MS);
      child.once('close', () => clearTimeout(late));
    });
  });
  const failure = async () => new Error(`${name} ended (${await exited}):\n${tail}`);
  const lines = logLines(child);

  return {
    name,
    pid: child.pid ?? 0,
    async logged(event) {
      return Promise.race([lines.first(event), failure().then((error) => Promise.reject(error))]);
    },
    signal: (signal) => void child.kill(signal),
    async output() {
      if ((await exited) !== 'exit code 0') throw await failure();
      return printed;
    },
    async stop(graceMs = DEFAULT_GRACE_MS) {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
    exited,
  };
}

/** Only lines that somebody may ask for are kept: the first of each event. */
function logLines(child: ChildProcess) {
  const seen = new Map<string, LogLine>();
  const waiting = new Map<string, ((line: LogLine) => void)[]>();
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = parse(text);
      const event = line?.['event'];
      if (!line || typeof event !== 'string' || seen.has(event)) return;
      seen.set(event, line);
      for (const found of waiting.get(event) ?? []) found(line);
      waiting.delete(event);
    });
  }
  return {
    first(event: string): Promise<LogLine> {
      const known = seen.get(event);
      if (known) return Promise.resolve(known);
      return new Promise((found) => waiting.set(event, [...(waiting.get(event) ?? []), found]));
    },
  };
}

function parse(text: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
