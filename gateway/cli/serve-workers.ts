/** `oc-gateway serve` with `gateway.workers` above 1: a supervisor, which runs until a signal. */

import type { LoadedConfig } from '../config/load.ts';
import { listenAddress, storagePath } from '../config/settings.ts';
import { watchConfig } from '../config/watch.ts';
import { createLog } from '../log.ts';
import { type Supervisor, startSupervisor } from '../workers/supervisor.ts';
import { announce, reportReload } from './announce.ts';
import type { Io } from './io.ts';
import { listenForStop } from './signals.ts';

const MAX_PORT = 65_535;

/** `port` is the first worker's. Resolves with the exit code, as `serve`. */
export async function serveWorkers(io: Io, loaded: LoadedConfig, port: number): Promise<number> {
  const { workers } = loaded.config.gateway;
  if (port + workers - 1 > MAX_PORT) {
    const last = MAX_PORT - workers + 1;
    io.stderr.write(
      `oc-gateway: ${workers} workers take as many ports from ${port} on; give a port up to ${last}.\n`,
    );
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
  let supervisor: Supervisor;
  try {
    supervisor = await startSupervisor({
      config: live.current,
      workers,
      host: address.host,
      port,
      databasePath: storagePath(loaded.config, io.env),
      env: { ...io.env },
      log,
    });
  } catch (error) {
    live.close();
    io.stderr.write(`oc-gateway: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  live.subscribe((config) => {
    log.level = config.logging.level;
    supervisor.reconfigured();
  });
  process.on('SIGHUP', () => live.reload());
  const { ports, admin } = supervisor;
  announce(
    loaded,
    {
      host: address.host,
      workers: ports.map((each, worker) => ({ worker, port: each })),
      admin,
      why: address.reason,
    },
    log,
  );
  const signal = await signals.stop;
  log.info({ event: 'stopping', signal });
  live.close();
  const stopped = await Promise.race([
    supervisor.stop(signal).then(() => true),
    signals.insist.then(() => false),
  ]);
  log.info({ event: 'stopped', ...(!stopped && { early: true }) });
  // The workers end with their supervisor, at once, and store how far their answers have come.
  if (!stopped) process.exit(1);
  return 0;
}
