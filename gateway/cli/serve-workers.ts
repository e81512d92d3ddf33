/** What serves with `gateway.workers` above 1: a supervisor and its workers. */

import { startSupervisor } from '../workers/supervisor.ts';
import type { Serving, ServingOptions } from './serve.ts';

const MAX_PORT = 65_535;

/** `port` is the first worker's. Rejects if there are not as many ports, or one of them cannot listen. */
export async function serveWorkers(options: ServingOptions, workers: number): Promise<Serving> {
  if (options.port + workers - 1 > MAX_PORT) {
    const last = MAX_PORT - workers + 1;
    throw new Error(
      `${workers} workers take as many ports from ${options.port} on; give a port up to ${last}.`,
    );
  }
  const { ports, admin, reconfigured, stop } = await startSupervisor({ ...options, workers });
  return {
    listening: {
      host: options.host,
      workers: ports.map((port, worker) => ({ worker, port })),
      admin,
    },
    reconfigured,
    stop,
  };
}
