/**
 * Tells the gateways whose sockets to close. What is to be told stands in the database, written by
 * this process or by the command line; it stays there until every gateway has heard it.
 */

import type { PortalConfig } from './config-schema.ts';
import type { Logger } from './log.ts';
import type { SocketClose } from './store/socket-closes.ts';
import type { Store } from './store/store.ts';

type GatewayAdmin = PortalConfig['gateways'][number];

export interface RevocationOptions {
  readonly store: Pick<Store, 'socketCloses'>;
  readonly gateways: readonly GatewayAdmin[];
  /** After this long nobody can hold a login of then, and a gateway that is still away is given up. */
  readonly giveUpMs: number;
  readonly now: () => number;
  readonly log: Logger;
  readonly timing?: Partial<RevocationTiming>;
}

/** All in milliseconds. */
export interface RevocationTiming {
  /** How often the database is asked: the command line writes to it from its own process. */
  readonly pollMs: number;
  /**
   * A handshake that was verified just before may reach the gateway just after, so a close is told
   * again once this long has passed since it was asked for.
   */
  readonly settleMs: number;
  readonly timeoutMs: number;
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
}

const TIMING: RevocationTiming = {
  pollMs: 500,
  settleMs: 5_000,
  timeoutMs: 3_000,
  firstRetryMs: 500,
  longestRetryMs: 30_000,
};

export interface Revocations {
  /** Ends after the calls under way. */
  stop(): Promise<void>;
}

export function startRevocations(options: RevocationOptions): Revocations {
  const { store, now, log } = options;
  const timing = { ...TIMING, ...options.timing };
  const gateways = options.gateways.map((gateway) => createTeller(gateway, timing, now, log));
  const stopping = new AbortController();
  let running: Promise<void> | undefined;

  async function round(): Promise<void> {
    const pending = store.socketCloses.pending();
    for (const gateway of gateways) gateway.keepOnly(pending);
    if (pending.length === 0) return;
    await Promise.all(gateways.map((gateway) => gateway.tell(pending, stopping.signal)));
    if (stopping.signal.aborted) return;
    for (const close of pending) {
      const heard = gateways.every((gateway) => gateway.heard(close));
      const old = now() - close.createdAt > options.giveUpMs;
      if (!heard && !old) continue;
      if (!heard) log.error({ event: 'close_given_up', ...describe(close) });
      store.socketCloses.done(close.id);
    }
  }

  const timer = setInterval(() => {
    running ??= round()
      .catch((error: unknown) => {
        const message = error instanceof Error ? error.message : 'unknown';
        log.error({ event: 'revocation_failed', error: message });
      })
      .finally(() => {
        running = undefined;
      });
  }, timing.pollMs);

  return {
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await running;
    },
  };
}

const WRONG_TOKEN =
  "Its token in portal.json's gateways is not that gateway's gateway.admin.token: sockets that should be closed stay open.";

/** One gateway: what it has heard, and when to try again if it does not answer. */
function createTeller(
  gateway: GatewayAdmin,
  timing: RevocationTiming,
  now: () => number,
  log: Logger,
) {
  /** Of each close, when this gateway last heard it. */
  const heardAt = new Map<number, number>();
  let notBefore = 0;
  let retryMs = timing.firstRetryMs;

  const settled = ({ id, createdAt }: SocketClose) =>
    (heardAt.get(id) ?? 0) >= createdAt + timing.settleMs;
  const due = (close: SocketClose) =>
    !heardAt.has(close.id) || (!settled(close) && now() >= close.createdAt + timing.settleMs);

  return {
    heard: settled,
    /** Forgets what is done, or was asked for anew under another id. */
    keepOnly(closes: readonly SocketClose[]): void {
      if (heardAt.size === 0) return;
      const ids = new Set(closes.map(({ id }) => id));
      for (const id of heardAt.keys()) if (!ids.has(id)) heardAt.delete(id);
    },
    /** Never rejects: what a gateway did not take is told again later. */
    async tell(closes: readonly SocketClose[], signal: AbortSignal): Promise<void> {
      if (performance.now() < notBefore) return;
      let failed = false;
      for (const close of closes) {
        if (signal.aborted || !due(close)) continue;
        const at = now();
        const answer = await post(gateway, close, timing.timeoutMs, signal);
        if (signal.aborted) return;
        const about = { gateway: gateway.adminUrl, ...describe(close) };
        if ('refused' in answer) {
          failed = true;
          const isToken = /^status 40[13]$/.test(answer.refused);
          log[isToken ? 'error' : 'warn']({
            event: 'close_not_told',
            reason: answer.refused,
            ...(isToken && { message: WRONG_TOKEN }),
            ...about,
          });
          // One that is refused must not hold up the others; one that is away would hold up all.
          if (!answer.reached) break;
        } else {
          heardAt.set(close.id, at);
          log.info({ event: 'sockets_closed', closed: answer.closed, ...about });
        }
      }
      notBefore = failed ? performance.now() + retryMs : 0;
      retryMs = failed ? Math.min(retryMs * 2, timing.longestRetryMs) : timing.firstRetryMs;
    },
  };
}

type Told = { closed: number | undefined } | { refused: string; reached: boolean };

async function post(
  { adminUrl, token }: GatewayAdmin,
  { userId, instanceId }: SocketClose,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Told> {
  try {
    const response = await fetch(`${adminUrl}/v1/sockets/close`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ userId, instanceId }),
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const text = await response.text();
    return response.status === 200
      ? { closed: countOf(text) }
      : { refused: `status ${response.status}`, reached: true };
  } catch (error) {
    const late = error instanceof Error && error.name === 'TimeoutError';
    return { refused: late ? 'timeout' : 'unreachable', reached: false };
  }
}

function countOf(text: string): number | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('closed' in value)) return undefined;
    return typeof value.closed === 'number' ? value.closed : undefined;
  } catch {
    return undefined;
  }
}

function describe({ userId, instanceId }: SocketClose): { userId?: string; instanceId?: string } {
  return {
    ...(userId !== undefined && { userId }),
    ...(instanceId !== undefined && { instanceId }),
  };
}
