/**
 * Keeps one socket alive and says truthfully how that stands. Every attempt asks the portal for a
 * new session first: the token works once, and the portal's status is what tells "signed out" and
 * "no right" from "try again", which a page cannot see in a refused upgrade.
 */

import { type ReadonlySignal, signal } from '@preact/signals';
import { type Instance, type Portal, PortalError } from './api.ts';
import { type GatewaySocket, type Hello, openSocket, type SocketEnd } from './socket/socket.ts';
import type { Fields } from './wire.ts';

/** Why it is tried again. */
export type RetryReason =
  | 'portal_unreachable'
  | 'portal_error'
  | 'portal_down'
  | 'set_up_wrong'
  | 'rate_limited'
  | 'handshake_failed'
  | 'gateway_down'
  | 'gateway_mute'
  | 'token_refused'
  | 'restarting'
  | 'silent'
  | 'cut';

/** Why it is not tried again by itself. */
export type StopReason =
  | 'signed_out'
  | 'no_permission'
  | 'instance_disabled'
  | 'user_disabled'
  | 'unknown_instance'
  | 'device_identity'
  | 'origin'
  | 'origin_at_proxy'
  | 'identity'
  | 'gateway_refused'
  | 'protocol';

export type ConnectionState =
  | {
      readonly kind: 'connecting';
      /** What ended the last attempt; absent at the beginning. */
      readonly after: RetryReason | undefined;
    }
  | { readonly kind: 'connected'; readonly hello: Hello }
  | {
      readonly kind: 'retrying';
      readonly reason: RetryReason;
      /** The number of the refusal, for the operator (docs/operations.md, what nginx decides). */
      readonly code: number | undefined;
      /** Milliseconds since the epoch. */
      readonly at: number;
    }
  /** The browser says that there is no network; it is tried all the same, since that may be wrong. */
  | { readonly kind: 'offline' }
  | {
      readonly kind: 'stopped';
      readonly reason: StopReason;
      /** The other side's own word for it, for the operator. */
      readonly detail: string | undefined;
    };

export interface Connection {
  readonly state: ReadonlySignal<ConnectionState>;
  start(): void;
  /** Tries at once; from `stopped` too. */
  retryNow(): void;
  request(method: string, params: object): Promise<Fields>;
  /** Closes for good. */
  end(): void;
}

export interface ConnectionHandlers {
  instance(instance: Instance): void;
  hello(hello: Hello): void;
  event(name: string, payload: Fields): void;
  lost(): void;
}

const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 30_000;
/** Ends in which nobody on the other side had a word to say. */
const UNANSWERED: ReadonlySet<RetryReason> = new Set([
  'portal_unreachable',
  'handshake_failed',
  'silent',
  'cut',
]);

/** The same each time: to stay offline is no change. */
const OFFLINE = { kind: 'offline' } as const;

interface Pause {
  readonly reason: RetryReason;
  readonly code?: number | undefined;
  /** How long the other side asks to wait at least. */
  readonly afterMs?: number | undefined;
}

type Verdict =
  | { readonly next: 'again'; readonly code: number }
  | ({ readonly next: 'retry' } & Pause)
  | { readonly next: 'stop'; readonly reason: StopReason; readonly detail?: string | undefined };

export function createConnection(
  portal: Portal,
  instanceId: string,
  handlers: ConnectionHandlers,
): Connection {
  const state = signal<ConnectionState>({ kind: 'connecting', after: undefined });
  let socket: GatewaySocket | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  /** Immediate attempts in a row: a token that is refused as soon as it is made is not asked for for ever. */
  let renewals = 0;
  /** Each attempt has a number, so that what belongs to an abandoned one is dropped. */
  let attempt = 0;
  let over = false;

  const connect = () => {
    const before = state.value;
    if (before.kind !== 'connecting') {
      state.value = {
        kind: 'connecting',
        after: before.kind === 'retrying' ? before.reason : undefined,
      };
    }
    void attemptOnce();
  };
  /** Without a network most attempts end as the one before: a word about each would only flicker. */
  const connectBySelf = () => {
    if (state.value.kind === 'offline') void attemptOnce();
    else connect();
  };

  const attemptOnce = async () => {
    clearTimeout(timer);
    drop('again');
    const mine = attempt;
    try {
      const session = await portal.createSession(instanceId);
      if (mine !== attempt || over) return;
      handlers.instance(session.instance);
      socket = openSocket(session.url, {
        hello(hello) {
          if (mine !== attempt) return;
          failures = 0;
          renewals = 0;
          state.value = { kind: 'connected', hello };
          handlers.hello(hello);
        },
        event(name, payload) {
          if (mine === attempt) handlers.event(name, payload);
        },
        end(closed) {
          if (mine !== attempt || over) return;
          socket = undefined;
          handlers.lost();
          follow(judgeEnd(closed));
        },
      });
    } catch (error) {
      if (mine !== attempt || over) return;
      follow(judgePortal(error));
    }
  };

  const follow = (verdict: Verdict) => {
    switch (verdict.next) {
      case 'again':
        renewals += 1;
        if (renewals > 1) wait({ reason: 'token_refused', code: verdict.code });
        else connect();
        return;
      case 'retry':
        wait(verdict);
        return;
      case 'stop':
        state.value = { kind: 'stopped', reason: verdict.reason, detail: verdict.detail };
    }
  };

  const wait = ({ reason, code, afterMs }: Pause) => {
    failures += 1;
    const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
    // Half of it by chance: pages that lost the same gateway do not come back in one instant.
    const delay = Math.max(afterMs ?? 0, longest / 2 + (Math.random() * longest) / 2);
    const offline = !navigator.onLine && UNANSWERED.has(reason);
    state.value = offline ? OFFLINE : { kind: 'retrying', reason, code, at: Date.now() + delay };
    timer = setTimeout(connectBySelf, delay);
  };
  const waits = () => state.value.kind === 'offline' || state.value.kind === 'retrying';

  const drop = (reason: string) => {
    attempt += 1;
    if (socket) handlers.lost();
    socket?.close(1000, reason);
    socket = undefined;
  };

  const onOffline = () => {
    if (state.value.kind === 'stopped') return;
    drop('offline');
    clearTimeout(timer);
    wait({ reason: 'cut' });
  };
  const onOnline = () => {
    if (waits()) connect();
  };
  const onVisible = () => {
    if (document.visibilityState !== 'visible') return;
    socket?.check();
    if (waits()) connectBySelf();
  };

  return {
    state,
    start() {
      addEventListener('offline', onOffline);
      addEventListener('online', onOnline);
      document.addEventListener('visibilitychange', onVisible);
      connect();
    },
    retryNow() {
      if (state.value.kind === 'connected') return;
      renewals = 0;
      connect();
    },
    request(method, params) {
      if (socket && state.value.kind === 'connected') return socket.request(method, params);
      return notConnected();
    },
    end() {
      over = true;
      removeEventListener('offline', onOffline);
      removeEventListener('online', onOnline);
      document.removeEventListener('visibilitychange', onVisible);
      clearTimeout(timer);
      drop('left');
    },
  };
}

function notConnected(): Promise<never> {
  return Promise.reject(new Error('not connected'));
}

function judgePortal(error: unknown): Verdict {
  if (!(error instanceof PortalError)) return { next: 'retry', reason: 'portal_error' };
  const { status, code, retryAfterMs } = error;
  if (status === 0) return { next: 'retry', reason: 'portal_unreachable' };
  if (status === 401) return { next: 'stop', reason: 'signed_out' };
  if (status === 429) return { next: 'retry', reason: 'rate_limited', afterMs: retryAfterMs };
  if (status === 403) return { next: 'stop', reason: denied(code), detail: code };
  if (status === 404 || status === 400) {
    return { next: 'stop', reason: 'unknown_instance', detail: code };
  }
  // The proxy's own word for a portal that it cannot reach.
  const reason = code === 'unavailable' ? 'portal_unreachable' : 'portal_error';
  return { next: 'retry', reason, code: status, afterMs: retryAfterMs };
}

function denied(reason: string): StopReason {
  switch (reason) {
    case 'instance_disabled':
    case 'user_disabled':
      return reason;
    // These two say nothing of the user's rights.
    case 'origin_not_allowed':
      return 'origin_at_proxy';
    case 'identity_invalid':
      return 'identity';
    default:
      return 'no_permission';
  }
}

/** What a page of ours does about each way in which a socket ends (docs/protocol.md, close codes). */
function judgeEnd({ code, reason, greeted, refusal }: SocketEnd): Verdict {
  if (refusal) return judgeRefusal(refusal.detail, refusal);
  switch (code) {
    case 4003:
    case 4401:
      return { next: 'again', code };
    case 4403:
      return { next: 'stop', reason: denied(reason), detail: reason };
    case 4404:
      return { next: 'stop', reason: 'unknown_instance', detail: reason };
    case 4429:
      return { next: 'retry', reason: 'rate_limited' };
    case 4502:
      return { next: 'retry', reason: 'gateway_down', code };
    case 4503:
      // A portal that does not know who asks it is there: who looks for one that is down finds nothing.
      return {
        next: 'retry',
        reason: reason === 'not_internal' ? 'set_up_wrong' : 'portal_down',
        code,
      };
    case 4504:
      return { next: 'retry', reason: 'gateway_mute', code };
    case 1002:
      return { next: 'stop', reason: 'protocol', detail: reason };
    case 1001:
    case 1012:
      return { next: 'retry', reason: 'restarting' };
    case 4000:
      return { next: 'retry', reason: greeted ? 'silent' : 'gateway_mute' };
    default:
      return greeted
        ? { next: 'retry', reason: 'cut' }
        : { next: 'retry', reason: 'handshake_failed', code };
  }
}

function judgeRefusal(
  detail: string | undefined,
  refusal: NonNullable<SocketEnd['refusal']>,
): Verdict {
  switch (detail) {
    case 'CONTROL_UI_DEVICE_IDENTITY_REQUIRED':
      return { next: 'stop', reason: 'device_identity', detail };
    case 'CONTROL_UI_ORIGIN_NOT_ALLOWED':
      return { next: 'stop', reason: 'origin', detail: location.origin };
    case 'PROTOCOL_MISMATCH':
      return { next: 'stop', reason: 'protocol', detail };
    case undefined:
    default: {
      if (refusal.retryable) {
        return { next: 'retry', reason: 'gateway_down', afterMs: refusal.retryAfterMs };
      }
      const rule = refusal.details['authReason'];
      return {
        next: 'stop',
        reason: 'gateway_refused',
        detail: typeof rule === 'string' ? rule : refusal.message,
      };
    }
  }
}
