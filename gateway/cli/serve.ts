/** `oc-gateway serve`: load the configuration, say what is served and to whom, run until a signal. */

import { listenForStop } from '../../deploy/command-line/signals.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import {
  agentIds,
  listenAddress,
  listenPort,
  modelChain,
  storagePath,
} from '../config/settings.ts';
import { watchConfig } from '../config/watch.ts';
import { type GatewayOptions, startGateway } from '../gateway.ts';
import { createLog } from '../log.ts';
import { announce, type Listening, reportReload } from './announce.ts';
import type { Io } from './io.ts';

/** `gateway.port` when nothing else names one. */
const DEFAULT_PORT = 18_789;

export interface ServeFlags {
  config?: string;
  port?: string;
}

/** What serves: this process, or a supervisor and its workers. */
export interface Serving {
  readonly listening: Omit<Listening, 'why'>;
  reconfigured(): void;
  stop(signal: NodeJS.Signals): Promise<void>;
}

export type ServingOptions = Omit<GatewayOptions, 'share'> & { env: NodeJS.ProcessEnv };

/** Resolves with the exit code once a signal has stopped the gateway, or at once if it cannot start. */
export async function serve(io: Io, flags: ServeFlags, version: string): Promise<number> {
  // As long as nothing is loaded there is nothing to load again; not to listen would be the end of the process.
  let reload = (): void => {};
  process.on('SIGHUP', () => reload());
  const options = { env: io.env, ...(flags.config !== undefined && { path: flags.config }) };
  const loaded = loadConfig(options);
  if (!loaded.ok) {
    for (const problem of loaded.errors) io.stderr.write(`${formatProblem(problem)}\n`);
    io.stderr.write('oc-gateway: the configuration has errors; nothing was started.\n');
    return 1;
  }
  const port = listenPort(loaded.config, io.env, flags.port);
  if (!port.ok) {
    io.stderr.write(`oc-gateway: ${formatProblem(port.problem)}\n`);
    return 1;
  }
  const signals = listenForStop();
  const log = createLog(loaded.config.logging.level);
  const address = listenAddress(loaded.config);
  const live = watchConfig({
    initial: loaded,
    env: io.env,
    onReload: (outcome) => reportReload(outcome, log),
  });
  reload = () => live.reload();
  let serving: Serving | undefined;
  live.subscribe((config) => {
    log.level = config.logging.level;
    serving?.reconfigured();
  });
  try {
    serving = await start(loaded.config.gateway.workers, {
      config: live.current,
      host: address.host,
      port: port.port,
      databasePath: storagePath(loaded.config, io.env),
      version,
      env: { ...io.env },
      log,
    });
  } catch (error) {
    live.close();
    io.stderr.write(`oc-gateway: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  // What was edited meanwhile has been taken up by some of what has started, and not by all.
  if (live.current() !== loaded.config) serving.reconfigured();
  const { listening } = serving;
  announce(loaded, { ...listening, why: address.reason }, log);
  if (loaded.source.kind === 'built-in' && listening.port !== undefined) {
    io.stderr.write(welcome(loaded, listening.port, version));
  }
  const signal = await signals.stop;
  log.info({ event: 'stopping', signal });
  live.close();
  const stopped = await Promise.race([
    serving.stop(signal).then(() => true),
    signals.insist.then(() => false),
  ]);
  log.info({ event: 'stopped', ...(!stopped && { early: true }) });
  // Nothing is lost by an early end: what was acknowledged is stored, and answers under way are
  // marked interrupted at the next start. Workers end with their supervisor, at once.
  if (!stopped) process.exit(1);
  return 0;
}

async function start(workers: number, options: ServingOptions): Promise<Serving> {
  if (workers > 1) return (await import('./serve-workers.ts')).serveWorkers(options, workers);
  const gateway = await startGateway(options);
  return {
    listening: gateway,
    reconfigured: gateway.reconfigured,
    stop: () => gateway.stop('gateway stopping'),
  };
}

/** What a newcomer needs to know next. */
function welcome(loaded: LoadedConfig, port: number, version: string): string {
  const [model] = modelChain(loaded.config, agentIds(loaded.config)[0] ?? '');
  const who = model?.startsWith('demo/')
    ? 'The built-in demo answers; no model is connected. Set ONE_API_BASE_URL and ONE_API_KEY for a real one.'
    : `${model} answers.`;
  const flags = port === DEFAULT_PORT ? '' : ` --port ${port}`;
  // From a checkout it is an npm script; installed, the binary itself.
  const inCheckout = import.meta.url.endsWith('.ts');
  const chat = inCheckout ? `npm run chat${flags && ` --${flags}`}` : `oc-gateway chat${flags}`;
  return `
OC Gateway ${version}, demonstration on ws://127.0.0.1:${port}. ${who}
Chat with it from another terminal:

    ${chat}

`;
}
