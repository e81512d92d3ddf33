/** The composition root: makes the parts, hands them to each other, starts and stops them. */

import { createEndpoints } from '../agents/endpoints.ts';
import { createModelCaller } from '../agents/model-call.ts';
import { createRuns } from '../agents/runs.ts';
import { openSessionStore } from '../agents/sessions/sqlite-store.ts';
import { type DeletedUser, startAdmin } from './admin.ts';
import { buildCatalog } from './catalog.ts';
import type { Config } from './config/schema.ts';
import { Connection } from './connection.ts';
import { createGate, type Gate } from './gate.ts';
import { createHub } from './hub.ts';
import type { Logger } from './log.ts';
import type { Services } from './methods/method.ts';
import { rowOf } from './methods/sessions-shared.ts';
import { CLOSES } from './protocol/close-codes.ts';
import { eventBody } from './protocol/frames.ts';
import { startRetention } from './retention.ts';
import { createSendRate } from './send-rate.ts';
import { type HttpAnswer, listen, type Server } from './server.ts';
import { messageBody, sessionChangedBody } from './session-events.ts';
import { startTicks } from './ticks.ts';
import { createTurnstile } from './turnstile.ts';

export interface GatewayOptions {
  /** The configuration in force; read anew at each use. */
  config: () => Config;
  host: string;
  port: number;
  databasePath: string;
  version: string;
  log: Logger;
}

export interface Gateway {
  readonly host: string;
  readonly port: number;
  /** The operator's listener, if there is one. */
  readonly admin: { readonly host: string; readonly port: number } | undefined;
  /** The configuration changed: agents, models and trust are built anew, live sockets judged again. */
  reconfigured(): void;
  /** Drains and stops; resolves when the process may end. */
  stop(reason: string): Promise<void>;
}

/** A page returns at once after a restart; OpenClaw's own clients wait as long as this says. */
const RESTART_EXPECTED_MS = 1_000;

/** Opens the store, takes up what a restart left, and listens. Rejects if either cannot be done. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, log } = options;
  const now = Date.now;
  const startedAt = now();
  let catalog = buildCatalog(config());
  let storeFailure: Error | undefined;
  const store = openSessionStore({
    path: options.databasePath,
    maxBytesPerUser: () => config().gateway.limits.maxStoredBytesPerUser,
    onHealth(failure) {
      storeFailure = failure;
      if (failure) log.error({ event: 'store_failing', err: failure });
      else log.info({ event: 'store_recovered' });
    },
  });
  const recovery = await store.recover(now());

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
      log: (fields) => log.warn(fields),
    }),
    listener: hub.listener,
    now,
    checkpointMs: () => config().gateway.streaming.checkpointMs,
    maxQueuedPerSession: () => config().gateway.limits.maxQueuedRunsPerSession,
    maxConcurrent: () => config().gateway.limits.maxConcurrentRuns,
    maxPerUser: () => config().gateway.limits.maxRunsPerUser,
    maxAnswerChars: () => config().gateway.limits.maxAnswerChars,
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

  const gate = createGate(config, log);
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
  const admin = await openAdmin({ config, gate, deleteUser, log }).catch((error: unknown) => {
    server.close();
    return giveUp(error);
  });

  runs.resume(recovery.queued);
  ready = true;
  const retention = startRetention({ config, store, hub, log, now });
  log.info({
    event: 'recovered',
    interrupted: recovery.interrupted,
    queued: recovery.queued.length,
  });

  return {
    host: server.host,
    port: server.port,
    admin: admin && { host: admin.host, port: admin.port },
    reconfigured() {
      catalog = buildCatalog(config());
      gate.rejudge();
    },
    async stop(reason) {
      ready = false;
      const { graceSeconds, spreadSeconds } = config().gateway.shutdown;
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
      retention.stop();
      admin?.close();
      await store.close();
      server.close();
    },
  };
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
