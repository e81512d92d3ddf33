/** A gateway of several processes, and pages that look for the one that serves them. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, type ClientOptions, connectClient } from './client.ts';
import { type GatewayProcess, type GatewayProcessOptions, startGateway } from './gateway.ts';

export interface WorkersProcess extends GatewayProcess {
  /** Of the workers, in their order; a worker that was started again has the same. */
  readonly ports: readonly number[];
  /** Which worker a connection is on. Its line may come after its hello. */
  workerOf(client: Client): Promise<number>;
  /** Of the process that is this worker now. */
  pidOf(worker: number): number;
  kill(worker: number, signal?: NodeJS.Signals): void;
  /** Resolves when so many processes have begun to listen as this worker, the first included. */
  started(worker: number, times: number): Promise<void>;
}

export async function startWorkers(options: GatewayProcessOptions): Promise<WorkersProcess> {
  const gateway = await startGateway(options);
  // The workers' own lines come before.
  const listening = await gateway.logged('listening', { pid: gateway.pid });
  const workers = listening['workers'] as readonly { port: number }[];
  const linesOf = (event: string, fields: object) =>
    gateway.logs.filter((line) =>
      Object.entries({ event, ...fields }).every(([key, value]) => line[key] === value),
    );
  const pidOf = (worker: number) => Number(linesOf('listening', { worker }).at(-1)?.['pid']);
  return Object.assign(gateway, {
    ports: workers.map(({ port }) => port),
    async workerOf(client: Client) {
      const line = await gateway.logged('connected', { connId: client.hello.server.connId });
      return Number(line['worker']);
    },
    pidOf,
    kill: (worker: number, signal: NodeJS.Signals = 'SIGKILL') =>
      void process.kill(pidOf(worker), signal),
    async started(worker: number, times: number) {
      while (linesOf('listening', { worker }).length < times) await sleep(5);
    },
  });
}

/** As nginx does: the next worker if one is gone, or says that another serves this user; as a page does, again. */
export async function connectAnywhere(
  ports: readonly number[],
  options: Omit<ClientOptions, 'port'>,
): Promise<Client> {
  for (let n = 0; ; n += 1) {
    const port = ports[n % ports.length] ?? 0;
    try {
      return await connectClient({ ...options, port });
    } catch {
      await sleep(5);
    }
  }
}
