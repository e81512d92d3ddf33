/** The composition root: makes the parts, hands them to each other, starts and stops them. */

import { createEndpoints } from '../agents/endpoints.ts';
import { createModelCaller } from '../agents/model-call.ts';
import { createRuns } from '../agents/runs.ts';
import { leasesPath, openLeases } from '../agents/sessions/leases.ts';
import { openSessionStore, openWorkerStore } from '../agents/sessions/sqlite-store.ts';
import type { Recovery } from '../agents/sessions/store.ts';
import { type DeletedUser, type SocketFilter, startAdmin } from './admin.ts';
import { buildCatalog } from './catalog.ts';
import { logCheckpointTrouble } from './checkpoint-log.ts';
import type { Config } from './config/schema.ts';
import { Connection } from './connection.ts';
import { createGate, type Gate } from './gate.ts';
import { createHub, type Hub } from './hub.ts';
import type { Logger } from './log.ts';
import type { Services } from './methods/method.ts';
import { rowOf } from './methods/sessions-shared.ts';
import { CLOSES } from './protocol/close-codes.ts';
import { eventBody } from './protocol/frames.ts';
import { startRetention } from './retention.ts';
import { logFailures } from './run-log.ts';
import { createSendRate } from './send-rate.ts';
import { type HttpAnswer, listen, type Server } from './server.ts';
import { messageBody, sessionChangedBody } from './session-events.ts';
import { startTicks } from './ticks.ts';
import { createTurnstile } from './turnstile.ts';
import type { SessionName } from './workers/messages.ts';
import { createOwnership, SOLE_OWNER } from './workers/ownership.ts';

export interface GatewayOptions {
  /** The configuration in force; read anew at each use. */
  config: () => Config;
  host: string;
  port: number;
  databasePath: string;
  version: string;
  log: Logger;
  /** This is one of several processes that serve one store, and its supervisor sees to what is done once. */
  share?: GatewayShare;
}

export interface GatewayShare {
  generation: number;
  /** Identity of the store's file, as the supervisor opened it. */
  file: string | undefined;
  owner: number;
  /** Whether this one sees to retention. */
  retains: boolean;
  onSessionRemoved(session: SessionName): void;
}

export interface Gateway {
  readonly host: string;
  readonly port: number;
  /** The operator's listener, if there is one. */
  readonly admin: { readonly host: string; readonly port: number } | undefined;
  /** The configuration changed: agents, models and trust are built anew, live sockets judged again. */
  reconfigured(): void;
  /** Closes the sockets of a user, of an instance, or of both at once; how many those were. */
  closeSockets(filter: SocketFilter): number;
  countSockets(): { sockets: number; users: number };
  /** Ends a user's runs, in all instances, then does `work`; sends wait for its end. */
  clearUser<T>(userId: string, work: () => Promise<T>): Promise<T>;
  /** Takes over whom dead processes of this gateway have served. Rejects if the store takes no writes. */
  inherit(owners: readonly number[]): Promise<void>;
  /** Another process of this gateway has removed it. */
  sessionRemoved(session: SessionName): void;
  /** Drains and stops; resolves when the process may end. `atOnce`: nobody waits for it any more. */
  stop(reason: string, atOnce?: boolean): Promise<void>;
}

/** A page returns at once after a restart; OpenClaw's own clients wait as long as this says. */
const RESTART_EXPECTED_MS = 1_000;

/** A worker takes up nothing until it is told to (`inherit`). */
const NOTHING_LEFT: Recovery = { interrupted: 0, queued: [] };

/** Opens the store, takes up what a restart left, and listens. Rejects if either cannot be done. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, log, share } = options;
  const now = Date.now;
  const startedAt = now();
  let catalog = buildCatalog(config());
  let storeFailure: Error | undefined;
  const storeOptions = {
    path: options.databasePath,
    maxBytesPerUser: () => config().gateway.limits.maxStoredBytesPerUser,
    onHealth(failure: Error | undefined) {
      storeFailure = failure;
      if (failure) log.error({ event: 'store_failing', err: failure });
      else log.info({ event: 'store_recovered' });
    },
    onCheckpointTrouble: logCheckpointTrouble(log),
  };
  const store = share
    ? openWorkerStore({ ...storeOptions, ...share })
    : openSessionStore(storeOptions);
  const recovery = share ? NOTHING_LEFT : await store.recover(now());
  const ownership =
    share &&
    createOwnership({
      leases: openLeases(leasesPath(options.databasePath), share.owner),
      hasSocket: (principal) => gate.has(principal),
      hasRun: (principal) => runs.has(principal),
      onFailure: (err) => log.error({ event: 'lease_failed', err }),
    });

  const hub = createHub({
    now,
    messageBody: (run, message) =>
      messageBody(run.record, message, { showThinking: run.showThinking }),
    sessionChangedBody(principal, sessionKey, reason, given) {
      const session = given ?? store.describe(principal, sessionKey);
      const row = session ? rowOf(services, principal, session) : null;
      return sessionChangedBody(sessionKey, reason, session, row, now());
    },
  });
  const runs = createRuns({
    store,
    catalog: () => catalog,
    callModel: createModelCaller({
      endpoint: createEndpoints(),
      current: (model) => catalog.models.get(model.ref) ?? model,
      log: (fields) => log.warn(fields),
    }),
    listener: logFailures(hub.listener, log),
    now,
    checkpointMs: () => config().gateway.streaming.checkpointMs,
    maxQueuedPerSession: () => config().gateway.limits.maxQueuedRunsPerSession,
    maxConcurrent: () => config().gateway.limits.maxConcurrentRuns,
    maxPerUser: () => config().gateway.limits.maxRunsPerUser,
    maxAnswerChars: () => config().gateway.limits.maxAnswerChars,
    ...(ownership && { claim: ownership.claim }),
    onCheckpoint: (run, chars) =>
      log.debug({ event: 'checkpoint', runId: run.record.runId, chars }),
    onBug: (err, { run, during }) =>
      log.error({ event: 'run_trouble', during, runId: run?.record.runId, err }),
  });
  const services: Services = {
    store,
    runs,
    hub,
    log,
    sendRate: createSendRate(() => config().gateway.limits.sendsPerMinute),
    now,
    version: options.version,
    uptimeMs: () => now() - startedAt,
    config,
    catalog: () => catalog,
  };

  const gate = createGate(config, log, ownership ?? SOLE_OWNER);
  const { limits } = config().gateway;
  const ticks = startTicks(limits.tickIntervalMs, now);
  const newId = () => crypto.randomUUID();
  const turnstile = createTurnstile({
    requestsPerSecond: () => config().gateway.limits.requestsPerSecond,
    maxWaitingBytes: limits.maxPayloadBytes,
  });
  const deps = { services, hub, ticks, turnstile, newId, lasting: limits };
  let ready = false;

  const giveUp = async (error: unknown): Promise<never> => {
    ticks.stop();
    await store.close();
    throw error;
  };
  const server: Server = await listen({
    host: options.host,
    port: options.port,
    maxPayloadBytes: limits.maxPayloadBytes,
    idleSeconds: idleSeconds(limits.tickIntervalMs),
    health: () => ({ status: 200, body: { ok: true } }),
    ready: () => readiness(ready, storeFailure),
    keeps: gate.keeps,
    upgrade(facts) {
      if (!ready) return { status: 503, body: { error: 'not ready' } };
      return gate.admit(facts, (socket, decision, kept) => {
        return new Connection(socket, decision, kept, deps);
      });
    },
  }).catch(giveUp);
  const deleteUser = async (userId: string): Promise<DeletedUser> => {
    const sockets = gate.closeMatching({ userId }, CLOSES.accessRevoked);
    const removed = await runs.clearUser(userId, () => store.deleteUser(userId));
    return { sockets, ...removed };
  };
  const admin = share
    ? undefined
    : await openAdmin({ config, gate, deleteUser, log }).catch((error: unknown) => {
        server.close();
        return giveUp(error);
      });

  runs.resume(recovery.queued);
  ready = true;
  const sessionChanged: Hub['sessionChanged'] = ({ userId, instanceId }, key, ...rest) => {
    hub.sessionChanged({ userId, instanceId }, key, ...rest);
    share?.onSessionRemoved({ userId, instanceId, key });
  };
  const retains = share?.retains ?? true;
  const retention = retains && startRetention({ config, store, hub: { sessionChanged }, log, now });
  if (!share) log.info(recovered(recovery));

  return {
    host: server.host,
    port: server.port,
    admin: admin && { host: admin.host, port: admin.port },
    reconfigured() {
      catalog = buildCatalog(config());
      gate.rejudge();
    },
    closeSockets: (filter) => gate.closeMatching(filter, CLOSES.accessRevoked),
    countSockets: gate.count,
    clearUser: runs.clearUser,
    async inherit(owners) {
      if (!ownership) throw new Error('Only one of several processes inherits.');
      const found = await store.recover(now(), { owners, has: ownership.left(owners) });
      // Nobody else may serve them before what waits is known here.
      ownership.inherit(
        owners,
        found.queued.map(({ principal }) => principal),
      );
      runs.resume(found.queued);
      log.info({ ...recovered(found), owners });
    },
    sessionRemoved: ({ key, ...principal }) => hub.sessionChanged(principal, key, 'delete'),
    async stop(reason, atOnce = false) {
      ready = false;
      const { shutdown } = config().gateway;
      const { graceSeconds, spreadSeconds } = atOnce ? AT_ONCE : shutdown;
      // Clients that wait as long as they are told come back as far apart as they are closed.
      const spreadMs = gate.closingMs(spreadSeconds * 1000);
      hub.farewell(() => {
        const restartExpectedMs = RESTART_EXPECTED_MS + Math.round(Math.random() * spreadMs);
        return eventBody('shutdown', { reason, restartExpectedMs });
      });
      await runs.drain(graceSeconds * 1000);
      server.stopListening();
      await gate.closeAll(CLOSES.restart, spreadSeconds * 1000);
      ticks.stop();
      if (retention) retention.stop();
      admin?.close();
      ownership?.close();
      await store.close();
      server.close();
    },
  };
}

/** Who stops so has no time. */
const AT_ONCE = { graceSeconds: 0, spreadSeconds: 0 };

function recovered({ interrupted, queued }: Recovery) {
  return { event: 'recovered', interrupted, queued: queued.length };
}

/** A full disk takes the process out of rotation, and back in when it has room again. */
function readiness(ready: boolean, storeFailure: Error | undefined): HttpAnswer {
  if (ready && !storeFailure) return { status: 200, body: { ready: true } };
  return {
    status: 503,
    body: { ready: false, ...(storeFailure && { reason: storeFailure.message }) },
  };
}

interface AdminParts {
  config: () => Config;
  gate: Gate;
  deleteUser: (userId: string) => Promise<DeletedUser>;
  log: Logger;
}

async function openAdmin({ config, gate, deleteUser, log }: AdminParts) {
  const { admin } = config().gateway;
  if (!admin) return undefined;
  return startAdmin({
    host: admin.host,
    port: admin.port,
    token: () => config().gateway.admin?.token,
    operatorToken: () => config().gateway.admin?.operatorToken,
    closeSockets: (filter) => gate.closeMatching(filter, CLOSES.accessRevoked),
    countSockets: gate.count,
    deleteUser,
    log,
  });
}

/** A peer that is silent for two ticks is gone. uWebSockets.js takes 8 to 960 seconds. */
function idleSeconds(tickIntervalMs: number): number {
  return Math.min(960, Math.max(8, Math.ceil((2 * tickIntervalMs) / 1000)));
}
