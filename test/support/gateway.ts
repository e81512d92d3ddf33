/** A real gateway process with its own state folder and configuration, for black-box tests. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { GATEWAY } from './programs.ts';

export type LogLine = Readonly<Record<string, unknown>>;

export interface GatewayProcess {
  readonly port: number;
  readonly pid: number;
  readonly stateDir: string;
  readonly configPath: string;
  readonly logs: readonly LogLine[];
  /** Everything that it wrote to its two outputs. */
  output(): string;
  /** Resolves with the first line, already written or to come, of this event (and these fields). */
  logged(event: string, fields?: LogLine): Promise<LogLine>;
  /** Resolves when that much of an answer's text is durable. Needs `logging.level: "debug"`. */
  checkpointed(runId: string, chars: number): Promise<void>;
  writeConfig(config: object): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves when the process is gone. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export interface GatewayProcessOptions {
  /** openclaw.json; absent: none is written, so that the demonstration is served. */
  config?: object;
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** The gateway's program, if it is not the built one. */
  program?: string;
  /** A command that runs the one behind its arguments, in its own place. */
  wrapper?: readonly string[];
  /** What happens before it listens. */
  meanwhile?: (starting: Omit<GatewayProcess, 'port'>) => Promise<void>;
  /** An existing folder, to start again where another process stopped. */
  stateDir?: string;
}

/** Starts `serve` on a free port and waits until it listens. Ends with the test, folder included. */
export async function startGateway(options: GatewayProcessOptions = {}): Promise<GatewayProcess> {
  const stateDir = options.stateDir ?? (await temporaryFolder());
  const gateway = await launch({ ...options, stateDir });
  onTestFinished(gateway.kill);
  return gateway;
}

export interface SharedGateway extends GatewayProcess {
  stop(): Promise<void>;
}

/** One for all tests of a file: started in `beforeAll`, stopped in `afterAll`. */
export async function shareGateway(options: GatewayProcessOptions): Promise<SharedGateway> {
  const stateDir = await mkdtemp(join(tmpdir(), 'oc-gateway-'));
  const gateway = await launch({ ...options, stateDir });
  return Object.assign(gateway, {
    async stop() {
      await gateway.kill();
      await rm(stateDir, { recursive: true, force: true });
    },
  });
}

async function launch(
  options: GatewayProcessOptions & { stateDir: string },
): Promise<GatewayProcess & { kill(): Promise<void> }> {
  const { stateDir } = options;
  const configPath = join(stateDir, 'openclaw.json');
  if (options.config) await writeFile(configPath, JSON.stringify(options.config, null, 2));
  const [command = process.execPath, ...args] = [
    ...(options.wrapper ?? []),
    process.execPath,
    options.program ?? GATEWAY,
    'serve',
    '--port',
    '0',
    ...(options.args ?? []),
  ];
  const child = spawn(command, args, {
    env: {
      PATH: process.env['PATH'],
      HOME: stateDir,
      OPENCLAW_STATE_DIR: stateDir,
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gateway = observe(child, stateDir, configPath);
  await options.meanwhile?.(gateway);
  const listening = await gateway.logged('listening');
  return Object.assign(gateway, {
    port: Number(listening['port']),
    async kill() {
      child.kill('SIGKILL');
      await gateway.exited;
    },
  });
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'oc-gateway-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function observe(child: ChildProcess, stateDir: string, configPath: string): GatewayProcess {
  const logs: LogLine[] = [];
  const waiting = new Set<{
    matches: (line: LogLine) => boolean;
    found: (line: LogLine) => void;
  }>();
  let output = '';
  if (!child.stdout || !child.stderr) throw new Error('the process has no outputs');
  child.stderr.on('data', (chunk) => {
    output += String(chunk);
  });
  createInterface({ input: child.stdout }).on('line', (text) => {
    output += `${text}\n`;
    const line = parseLine(text);
    if (!line) return;
    logs.push(line);
    for (const each of waiting) {
      if (!each.matches(line)) continue;
      waiting.delete(each);
      each.found(line);
    }
  });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const logged = (matches: (line: LogLine) => boolean): Promise<LogLine> => {
    const known = logs.find(matches);
    if (known) return Promise.resolve(known);
    return new Promise((found, reject) => {
      waiting.add({ matches, found });
      void exited.then(() => reject(new Error(`the gateway ended:\n${output}`)));
    });
  };
  return {
    port: 0,
    pid: child.pid ?? 0,
    stateDir,
    configPath,
    logs,
    output: () => output,
    logged(event, fields = {}) {
      const wanted = Object.entries({ event, ...fields });
      return logged((line) => wanted.every(([key, value]) => line[key] === value));
    },
    async checkpointed(runId, chars) {
      const saved = () =>
        logs
          .filter((line) => line['event'] === 'checkpoint' && line['runId'] === runId)
          .reduce((sum, line) => sum + Number(line['chars']), 0);
      await logged(() => saved() >= chars);
    },
    writeConfig: (config) => writeFile(configPath, JSON.stringify(config, null, 2)),
    signal: (signal) => child.kill(signal),
    exited,
  };
}

function parseLine(text: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
