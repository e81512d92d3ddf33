/**
 * The process above several workers. It owns the store, sees to what is done once (migration, recovery, checkpoints, the
 * operator's listener) and serves no socket. Its workers end with it.
 */

import { fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Principal } from '../../agents/principal.ts';
import { createLeases, leasesPath, removeLeases } from '../../agents/sessions/leases.ts';
import { identityOf } from '../../agents/sessions/place.ts';
import { openSupervisedStore } from '../../agents/sessions/sqlite-store.ts';
import { type SessionStore, StoreFileError } from '../../agents/sessions/store.ts';
import { type Admin, type DeletedUser, startAdmin } from '../admin.ts';
import { logCheckpointTrouble } from '../checkpoint-log.ts';
import type { Config } from '../config/schema.ts';
import type { Logger } from '../log.ts';
import { type Crew, createCrew } from './crew.ts';

export interface SupervisorOptions {
  /** In force, read anew at each use. */
  config: () => Config;
  workers: number;
  host: string;
  /** Of the first worker; the others follow. 0: each picks a free one. */
  port: number;
  databasePath: string;
  env: NodeJS.ProcessEnv;
  log: Logger;
}

export interface Supervisor {
  readonly ports: readonly number[];
  readonly admin: Pick<Admin, 'host' | 'port'> | undefined;
  reconfigured(): void;
  /** Resolves when all workers have ended and the store is closed. */
  stop(signal: NodeJS.Signals): Promise<void>;
}

/** Workers of a gateway that was killed end within a moment, unless one hangs. */
const LEFT_WORKERS_MS = 10_000;
const LOOK_AGAIN_MS = 50;

const HIGHEST_GENERATION = 2 ** 31 - 1;

/** Rejects if the store cannot be opened, or one of the workers cannot start. */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { config, databasePath, log } = options;
  const generation = randomInt(1, HIGHEST_GENERATION);
  const store = await openStore(databasePath, generation, log);
  const file = identityOf(databasePath);
  const leases = leasesPath(databasePath);
  const { interrupted, queued } = await store.recover(Date.now());
  createLeases(leases, distinct(queued.map(({ principal }) => principal)));
  log.info({ event: 'recovered', interrupted, queued: queued.length });
  const crew = createCrew({
    size: options.workers,
    port: options.port,
    spawn: () => spawnWorker(options.env),
    assignment: () => ({ generation, host: options.host, databasePath, file, config: config() }),
    hasLeftOver: queued.length > 0,
    log,
  });

  async function end(signal: NodeJS.Signals): Promise<void> {
    await crew.stop(signal);
    removeLeases(leases);
    await store.close();
  }

  try {
    const ports = await crew.start();
    const admin = await openAdmin(config, crew, store, log);
    return {
      ports,
      admin,
      reconfigured: () => crew.tell({ type: 'config', config: config() }),
      async stop(signal) {
        admin?.close();
        await end(signal);
      },
    };
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
}

async function openStore(path: string, generation: number, log: Logger): Promise<SessionStore> {
  const onCheckpointTrouble = logCheckpointTrouble(log);
  const giveUpAt = performance.now() + LEFT_WORKERS_MS;
  for (;;) {
    try {
      return openSupervisedStore({ path, generation, onCheckpointTrouble });
    } catch (error) {
      const isWaiting = error instanceof StoreFileError && error.reason === 'workers_left';
      if (!isWaiting || performance.now() > giveUpAt) throw error;
      await sleep(LOOK_AGAIN_MS);
    }
  }
}

/** The same program on the same Node. Its output is ours, so that a line that was written is never lost. */
function spawnWorker(env: NodeJS.ProcessEnv) {
  const [, program = ''] = process.argv;
  return fork(program, ['worker'], {
    env,
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

function distinct(principals: readonly Principal[]): Principal[] {
  const named = principals.map((each) => [`${each.userId}\n${each.instanceId}`, each] as const);
  return [...new Map(named).values()];
}

async function openAdmin(
  config: () => Config,
  crew: Crew,
  store: SessionStore,
  log: Logger,
): Promise<Admin | undefined> {
  const { admin } = config().gateway;
  if (!admin) return undefined;
  return startAdmin({
    host: admin.host,
    port: admin.port,
    token: () => config().gateway.admin?.token,
    operatorToken: () => config().gateway.admin?.operatorToken,
    closeSockets: async (filter) => (await crew.ask({ ask: 'closeSockets', filter })).sockets,
    countSockets: () => crew.ask({ ask: 'countSockets' }),
    deleteUser: (userId) => deleteUser(userId, crew, store),
    log,
  });
}

/** Nobody runs or accepts anything of the user's while it is removed. */
async function deleteUser(userId: string, crew: Crew, store: SessionStore): Promise<DeletedUser> {
  const { asked, end } = crew.askUntil({ ask: 'emptyUser', userId });
  try {
    const { sockets } = await asked;
    return { sockets, ...(await store.deleteUser(userId)) };
  } finally {
    end();
    crew.tell({ type: 'userIsGone', userId });
  }
}
