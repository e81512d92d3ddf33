/** `oc-gateway worker`: one process of several. `serve` starts it, tells it what to do, and does not outlive it. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { listenForStop } from '../../deploy/command-line/signals.ts';
import type { Io } from '../cli/io.ts';
import type { Config } from '../config/schema.ts';
import { type Gateway, startGateway } from '../gateway.ts';
import { createLog, type Logger } from '../log.ts';
import {
  type Assignment,
  type FromWorker,
  isMessage,
  type Question,
  type Reply,
  type ToWorker,
} from './messages.ts';

/** Between two tries to take over what a dead worker left, while the store takes no writes. */
const RETRY_MS = 1_000;

/** Resolves with the exit code when a signal, or the end of its supervisor, has stopped it. */
export async function worker(io: Io, version: string): Promise<number> {
  if (!process.connected) {
    io.stderr.write('oc-gateway: a worker is started by "oc-gateway serve" alone.\n');
    return 2;
  }
  const signals = listenForStop();
  // For the supervisor, which tells its workers what has changed.
  process.on('SIGHUP', () => {});
  const orphaned = new Promise<undefined>((resolve) => {
    process.once('disconnect', () => resolve(undefined));
  });
  const orders = receiveOrders();
  const assignment = await Promise.race([orders.assignment, orphaned]);
  if (!assignment) return 1;
  let { config } = assignment;
  const log = createLog(config.logging.level, { worker: assignment.worker });
  const gateway = await open(assignment, version, () => config, log);
  if (!gateway) return 1;
  const stopping = new AbortController();
  orders.obey(gateway, log, {
    configure(next) {
      config = next;
      log.level = next.logging.level;
      gateway.reconfigured();
    },
    stopping: stopping.signal,
  });
  // Whatever the level: scripts read the port from this line.
  const { host, port } = gateway;
  log.child({}, { level: 'info' }).info({ event: 'listening', host, port });
  report({ type: 'ready', port });

  const orphan = orphaned.then(() => ({ why: 'the supervisor has ended' }));
  const reason = await Promise.race([
    signals.stop.then((signal) => ({ signal })),
    orders.stop.then(() => ({ why: 'the supervisor asks for it' })),
    orphan,
  ]);
  stopping.abort();
  report({ type: 'stopping' });
  log.info({ event: 'stopping', ...reason });
  const isOrphan = !process.connected;
  const stopped = await Promise.race([
    gateway.stop('gateway stopping', isOrphan).then(() => true),
    ...(isOrphan ? [] : [orphaned.then(() => false)]),
    signals.insist.then(() => false),
  ]);
  log.info({ event: 'stopped', ...(!stopped && { early: true }) });
  // Nothing is lost by an early end: whoever inherits marks what was under way as interrupted.
  if (!stopped) process.exit(1);
  if (process.connected) process.disconnect();
  return 0;
}

async function open(
  assignment: Assignment,
  version: string,
  config: () => Config,
  log: Logger,
): Promise<Gateway | undefined> {
  const { host, databasePath, file, generation, owner } = assignment;
  try {
    return await startGateway({
      config,
      host,
      port: assignment.port === 0 ? await freePort(host) : assignment.port,
      databasePath,
      version,
      log,
      share: {
        generation,
        file,
        owner,
        retains: assignment.worker === 0,
        onSessionRemoved: (session) => report({ type: 'sessionRemoved', session }),
      },
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    await new Promise<void>((sent) => report({ type: 'failed', message }, sent));
    if (process.connected) process.disconnect();
    return undefined;
  }
}

/**
 * By name, and not as 0: only on a port that was named can the next process listen while connections of
 * the one before, which died, are still winding down.
 */
async function freePort(host: string): Promise<number> {
  const probe = createServer().listen(0, host);
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

function report(message: FromWorker, sent: () => void = () => {}): void {
  // A supervisor that has died is told in vain.
  if (process.connected) process.send?.(message, undefined, {}, sent);
  else sent();
}

interface Orders {
  readonly assignment: Promise<Assignment>;
  /** Settles when it is to stop, whether or not it has begun to serve. */
  readonly stop: Promise<void>;
  obey(gateway: Gateway, log: Logger, how: Obeying): void;
}

interface Obeying {
  readonly configure: (config: Config) => void;
  /** Aborts when the worker begins to stop. */
  readonly stopping: AbortSignal;
}

/** Listens at once; what comes before there is a gateway waits for it. */
function receiveOrders(): Orders {
  const assigned = Promise.withResolvers<Assignment>();
  const stop = Promise.withResolvers<void>();
  const early: ToWorker[] = [];
  let take = (order: ToWorker): void => void early.push(order);
  process.on('message', (order) => {
    if (!isMessage<ToWorker>(order)) return;
    if (order.type === 'start') assigned.resolve(order.assignment);
    else if (order.type === 'stop') stop.resolve();
    else take(order);
  });
  return {
    assignment: assigned.promise,
    stop: stop.promise,
    obey(gateway, log, { configure, stopping }) {
      /** Users who are being removed: what ends the wait for it, in the order of the questions. */
      const leaving = new Map<string, (() => void)[]>();
      take = (order) => {
        switch (order.type) {
          case 'start':
          case 'stop':
            return;
          case 'config':
            return configure(order.config);
          case 'inherit':
            return void inherit(gateway, log, order.owners, stopping);
          case 'question':
            return answer(gateway, order.id, order.question, leaving);
          case 'ping':
            return report({ type: 'pong' });
          case 'userIsGone':
            return leaving.get(order.userId)?.shift()?.();
          case 'sessionRemoved':
            return gateway.sessionRemoved(order.session);
        }
      };
      for (const order of early) take(order);
    },
  };
}

/** Nobody serves those users before this is done, so it is tried until it is, or somebody else has to. */
async function inherit(
  gateway: Gateway,
  log: Logger,
  owners: readonly number[],
  stopping: AbortSignal,
): Promise<void> {
  while (!stopping.aborted) {
    try {
      await gateway.inherit(owners);
      return report({ type: 'inherited', owners });
    } catch (err) {
      if (stopping.aborted) return;
      log.error({ event: 'inherit_failed', owners, err });
      // It rejects when the worker is to stop.
      await pause(RETRY_MS, undefined, { signal: stopping }).catch(() => {});
    }
  }
}

function answer(
  gateway: Gateway,
  id: number,
  question: Question,
  leaving: Map<string, (() => void)[]>,
): void {
  const say = (reply: Reply) => report({ type: 'reply', id, reply });
  switch (question.ask) {
    case 'closeSockets':
      return say({ sockets: gateway.closeSockets(question.filter), users: 0 });
    case 'countSockets':
      return say(gateway.countSockets());
    case 'emptyUser': {
      const { userId } = question;
      const { promise, resolve } = Promise.withResolvers<void>();
      leaving.set(userId, [...(leaving.get(userId) ?? []), resolve]);
      const sockets = gateway.closeSockets({ userId });
      void gateway.clearUser(userId, () => {
        say({ sockets, users: 0 });
        return promise;
      });
    }
  }
}
