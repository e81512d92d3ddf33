/**
 * One socket's life: challenge, handshake, requests, events, end. A class, because ten thousand of
 * them are alive at once and share their methods.
 */

import type { Principal } from '../agents/principal.ts';
import type { LiveRun } from '../agents/run.ts';
import { StoreUnavailableError } from '../agents/sessions/store.ts';
import type { Hub, Subscriber } from './hub.ts';
import { isSilent, newLiveness } from './liveness.ts';
import { type Caller, RequestError, type Services } from './methods/method.ts';
import { EVENTS, METHODS } from './methods/registry.ts';
import { CLOSES, type Close, closeReason } from './protocol/close-codes.ts';
import { type ConnectParams, readConnect, refusal } from './protocol/connect.ts';
import { detailedError, type ProtocolError, protocolError } from './protocol/errors.ts';
import {
  decodeFrame,
  errorFrame,
  eventBody,
  type FrameProblem,
  type RequestFrame,
  responseFrame,
  withoutSeq,
  withSeq,
} from './protocol/frames.ts';
import { buildHello } from './protocol/hello.ts';
import { sharedFrame } from './protocol/shared-frame.ts';
import { type KeyScope, mainSessionKey, resolveSessionKey } from './session-keys.ts';
import type { Ticked, Ticks } from './ticks.ts';
import { judgeDevice } from './trust/device.ts';
import type { TrustDecision, UpgradeFacts } from './trust/judge.ts';
import { coversScope, grantScopes } from './trust/scopes.ts';
import { newLine, type Served, type Turnstile } from './turnstile.ts';

/** What a connection needs of the network. Calls on a socket that is gone do nothing. */
export interface Socket {
  /** `buffered`: the network did not take all of it; `drained` will be called when it has. */
  /** One text frame; bytes are its UTF-8, and read before this returns. */
  send(frame: string | Uint8Array): 'sent' | 'buffered' | 'gone';
  end(code: number, reason: string): void;
  ping(): void;
  /** What `work` sends leaves in one system call. It must not close the socket. */
  together(work: () => void): void;
  /** Ends it without a word. */
  cut(): void;
  /** Bytes that wait for the network. */
  bufferedBytes(): number;
}

export interface ConnectionDeps {
  services: Services;
  hub: Hub;
  ticks: Ticks;
  turnstile: Turnstile;
  newId: () => string;
  /** Limits that the listener and the ticks were started with: an edit of them waits for a restart. */
  lasting: { readonly maxPayloadBytes: number; readonly tickIntervalMs: number };
}

/** Sessions whose messages one connection may watch: a page watches a handful. */
const MAX_WATCHED = 1_000;

/** Malformed frames that a connected client may send before it is taken for broken. */
const MAX_BAD_FRAMES = 10;

/** `asked`: its first frame is here and waits its turn. It makes the connection or ends it. */
type Phase = 'challenged' | 'asked' | 'connected' | 'closed';

export class Connection implements Subscriber, Caller, Ticked, Served {
  readonly id: string;
  readonly facts: UpgradeFacts;
  readonly #decision: TrustDecision;
  readonly #socket: Socket;
  readonly #deps: ConnectionDeps;
  readonly #nonce: string;
  #phase: Phase = 'challenged';
  #deadline: NodeJS.Timeout | undefined;
  #seq = 0;
  #badFrames = 0;
  #requestedScopes: readonly string[] | undefined;
  #deviceJudged = false;
  #told = '';
  #watched: Set<string> | undefined;
  readonly #line = newLine(this);
  readonly #peer = newLiveness();
  principal: Principal = NOBODY;
  scopes: readonly string[] = [];
  wantsAgentEvents = false;
  watchesSessions = false;
  congested = false;

  constructor(socket: Socket, decision: TrustDecision, facts: UpgradeFacts, deps: ConnectionDeps) {
    this.#socket = socket;
    this.#decision = decision;
    this.#deps = deps;
    this.facts = facts;
    if (decision.ok) this.principal = decision.principal;
    this.id = deps.newId();
    this.#nonce = deps.newId();
  }

  /** Sends the challenge and starts the clock for the handshake. */
  opened(): void {
    const { services } = this.#deps;
    const challenge = { nonce: this.#nonce, ts: services.now() };
    this.#send(withoutSeq(eventBody('connect.challenge', challenge)));
    const { connectTimeoutMs } = services.config().gateway.limits;
    this.#deadline = setTimeout(() => this.close(CLOSES.handshakeTimeout), connectTimeoutMs);
  }

  /** One text frame; `bytes` is its length on the wire. Binary frames come as `undefined`. */
  received(text: string | undefined, bytes: number): void {
    if (this.#phase === 'closed') return;
    this.#peer.heard = true;
    if (text === undefined) return this.close(CLOSES.binaryFrame);
    if (bytes > this.#maxFrameBytes()) return this.close(CLOSES.frameTooLarge);
    if (this.#phase === 'challenged') this.#ask();
    // What comes behind the first frame of a socket that is refused can change nothing any more.
    else if (!this.#decision.ok) return;
    const { turnstile } = this.#deps;
    if (!turnstile.admit(this.#line, text, bytes)) this.close(CLOSES.tooManyRequests);
  }

  /** A frame whose turn it is. */
  serve(text: string): void {
    const decoded = decodeFrame(text);
    if (!decoded.ok) return this.#badFrame(decoded.problem);
    if (this.#phase === 'asked') return this.#handshake(decoded.frame);
    void this.#request(decoded.frame);
  }

  alive(): void {
    this.#peer.heard = true;
    // The library answers pings by itself: who sends them and reads nothing would fill the memory.
    const { maxBufferedBytes } = this.#deps.services.config().gateway.limits;
    if (this.#socket.bufferedBytes() > maxBufferedBytes) this.cut('ping_flood');
  }

  tick(body: string): void {
    const now = this.#deps.services.now();
    const waiting = this.#socket.bufferedBytes();
    if (isSilent(this.#peer, now, waiting)) {
      // After a pause of this process its answer may have come and not been read yet: that is next.
      setImmediate(() => this.#peer.heard || this.cut('peer_silent'));
    }
    const beat = () => {
      this.sendEvent(body, true);
      this.#socket.ping();
    };
    // Who is behind may be cut for it.
    if (waiting === 0) this.#socket.together(beat);
    else beat();
  }

  /** Ends it without a word; `event` is for the log. */
  cut(event: 'peer_silent' | 'pending_cut' | 'ping_flood'): void {
    if (this.#phase === 'closed') return;
    this.#deps.services.log.info({ event, connId: this.id });
    this.#leave();
    this.#socket.cut();
  }

  drained(): void {
    this.congested = false;
    if (this.#phase === 'connected') this.#deps.hub.drained(this);
  }

  /** The socket is gone, whoever ended it. */
  closed(code: number): void {
    const wasConnected = this.#phase === 'connected';
    this.#leave();
    const log = this.#deps.services.log;
    if (wasConnected || code !== 1000) {
      log.info({ event: 'disconnected', connId: this.id, ...this.#who(), code });
    }
  }

  close(close: Close): void {
    if (this.#phase === 'closed') return;
    this.#leave();
    this.#socket.end(close.code, close.reason);
  }

  /** Whether it has said anything: from then on nobody has to wait for it. */
  get hasAsked(): boolean {
    return this.#phase !== 'challenged';
  }

  sendEvent(body: string, isShared = false): void {
    const seq = ++this.#seq;
    this.#send(isShared ? sharedFrame(body, seq) : withSeq(body, seq));
  }

  watchesMessages(sessionKey: string): boolean {
    return this.#watched?.has(sessionKey) ?? false;
  }

  watchSessions(on: boolean): void {
    this.watchesSessions = on;
  }

  watchMessages(sessionKey: string, on: boolean): void {
    if (!on) return void this.#watched?.delete(sessionKey);
    const watched = (this.#watched ??= new Set());
    if (watched.size >= MAX_WATCHED && !watched.has(sessionKey)) {
      const message = `a connection may watch the messages of ${MAX_WATCHED} sessions`;
      throw new RequestError(protocolError('INVALID_REQUEST', message));
    }
    watched.add(sessionKey);
  }

  catchUp(run: LiveRun): void {
    this.#deps.hub.flush(run, this);
  }

  /** The configuration changed: takes the scopes that it grants now. A close if it cannot go on so. */
  reconsider(): Close | undefined {
    if (this.#phase !== 'connected') return undefined;
    const { auth, controlUi } = this.#deps.services.config().gateway;
    this.scopes = grantScopes(auth.identityScopes, this.principal.userId, this.#requestedScopes);
    const isProved = this.#deviceJudged || controlUi.dangerouslyDisableDeviceAuth;
    if (!isProved) return CLOSES.trustRevoked;
    // What hello-ok said of agent and main session would not be true any more.
    return this.#told === this.#whoAnswers() ? undefined : CLOSES.reconfigured;
  }

  /** The agent and the main session that hello-ok names, as one text. */
  #whoAnswers(): string {
    const { catalog, instanceAgentId, mainKey, mainSessionKey: main } = this.keys();
    const resolved = resolveSessionKey(this.keys(), main);
    const answers = resolved.ok && catalog.agents.has(resolved.agentId);
    return JSON.stringify([instanceAgentId, mainKey, main, answers]);
  }

  keys(): KeyScope {
    const { services } = this.#deps;
    const { gateway, session } = services.config();
    const catalog = services.catalog();
    const bound = gateway.instances?.[this.principal.instanceId];
    const instanceAgentId = bound ?? catalog.defaultAgentId;
    const named = this.#decision.ok ? this.#decision.sessionKey : undefined;
    // A header with the bare main key says what no header says.
    const given = named === session.mainKey ? undefined : named;
    return {
      catalog,
      instanceAgentId,
      bound: bound !== undefined,
      mainKey: session.mainKey,
      mainSessionKey: given ?? mainSessionKey(instanceAgentId, session.mainKey),
    };
  }

  #maxFrameBytes(): number {
    const { services, lasting } = this.#deps;
    // Requests may come right behind `connect`, which may still wait its turn.
    if (this.#phase !== 'challenged') return lasting.maxPayloadBytes;
    return services.config().gateway.limits.preConnectBytes;
  }

  /** Its part is done: how long its frame waits is ours. */
  #ask(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    this.#phase = 'asked';
  }

  #handshake(frame: RequestFrame): void {
    if (frame.method !== 'connect') {
      const { reason } = CLOSES.connectFirst;
      this.#respond(errorFrame(frame.id, protocolError('INVALID_REQUEST', reason)));
      return this.close(CLOSES.connectFirst);
    }
    const read = readConnect(frame.params);
    const refused = read.ok ? this.#refusal(read.connect) : read;
    if (refused || !read.ok) {
      if (!refused) return;
      this.#logRefusal(refused.error);
      this.#respond(errorFrame(frame.id, refused.error));
      return this.close(refused.close);
    }
    this.#welcome(frame.id, read.connect);
  }

  /** Why this client may not connect, in the order of the rules: trust, main session, device. */
  #refusal(connect: ConnectParams): { error: ProtocolError; close: Close } | undefined {
    const decision = this.#decision;
    if (!decision.ok) {
      const close = { code: CLOSES.refused.code, reason: closeReason(decision.closeReason) };
      return { error: decision.error, close };
    }
    const main = resolveSessionKey(this.keys(), this.keys().mainSessionKey);
    if (!main.ok) return refusal(main.error);
    const { controlUi } = this.#deps.services.config().gateway;
    const device = judgeDevice(connect, {
      nonce: this.#nonce,
      now: this.#deps.services.now(),
      required: !controlUi.dangerouslyDisableDeviceAuth,
    });
    this.#deviceJudged = !controlUi.dangerouslyDisableDeviceAuth;
    return device.ok ? undefined : device;
  }

  #welcome(id: string, connect: ConnectParams): void {
    const { services, hub, ticks } = this.#deps;
    this.#phase = 'connected';
    const { identityScopes } = services.config().gateway.auth;
    this.#requestedScopes = connect.scopes;
    this.scopes = grantScopes(identityScopes, this.principal.userId, connect.scopes);
    this.wantsAgentEvents = connect.caps?.includes('tool-events') ?? false;
    this.#told = this.#whoAnswers();
    hub.join(this);
    ticks.join(this);
    this.#respond(responseFrame(id, this.#hello()));
    const lastWords = hub.lastWords();
    if (lastWords !== undefined) this.sendEvent(lastWords);
    const { id: client, version } = connect.client;
    services.log.info({
      event: 'connected',
      connId: this.id,
      ...this.#who(),
      client: client.slice(0, 64),
      version: version.slice(0, 64),
    });
  }

  #hello() {
    const { services, lasting } = this.#deps;
    const { limits } = services.config().gateway;
    const keys = this.keys();
    const agent = keys.catalog.agents.get(keys.instanceAgentId);
    const maxImageBytes = agent?.mediaMaxBytes ?? 0;
    return buildHello({
      version: services.version,
      connId: this.id,
      methods: [...METHODS.keys()],
      events: EVENTS,
      uptimeMs: services.uptimeMs(),
      scopes: this.scopes,
      session: {
        defaultAgentId: keys.instanceAgentId,
        modelConfigured: (agent?.models.length ?? 0) > 0,
        mainKey: keys.mainKey,
        mainSessionKey: keys.mainSessionKey,
      },
      policy: {
        maxPayload: lasting.maxPayloadBytes,
        maxBufferedBytes: limits.maxBufferedBytes,
        tickIntervalMs: lasting.tickIntervalMs,
        attachments: { maxBytes: maxImageBytes, maxImageBytes },
      },
    });
  }

  async #request(frame: RequestFrame): Promise<void> {
    const method = METHODS.get(frame.method);
    if (!method) {
      const message =
        frame.method === 'connect'
          ? 'connect is only valid as the first request'
          : `unknown method: ${frame.method}`;
      return this.#respond(errorFrame(frame.id, protocolError('INVALID_REQUEST', message)));
    }
    if (!coversScope(this.scopes, method.scope)) {
      const fields = { missingScope: method.scope, requiredScopes: [method.scope] };
      const error = detailedError('MISSING_SCOPE', `missing scope: ${method.scope}`, fields);
      return this.#respond(errorFrame(frame.id, error));
    }
    try {
      const answer = method.call(frame.params, this, this.#deps.services);
      // Most answers are ready at once and leave in this very turn.
      this.#respond(responseFrame(frame.id, answer instanceof Promise ? await answer : answer));
    } catch (error) {
      this.#respond(errorFrame(frame.id, this.#explain(error, frame.method)));
    }
  }

  #explain(error: unknown, method: string): ProtocolError {
    if (error instanceof RequestError) return error.error;
    const { log } = this.#deps.services;
    if (error instanceof StoreUnavailableError) {
      log.error({ event: 'store_unavailable', connId: this.id, method, err: error });
      const message = 'The storage does not answer now; try again in a moment.';
      return detailedError('STORE_UNAVAILABLE', message, {}, { retryAfterMs: 2_000 });
    }
    log.error({ event: 'request_failed', connId: this.id, method, err: error });
    return detailedError('INTERNAL', 'The gateway failed to serve this request.');
  }

  #badFrame(problem: FrameProblem): void {
    this.#respond(errorFrame(problem.id, protocolError('INVALID_REQUEST', problem.message)));
    this.#badFrames++;
    if (this.#phase !== 'connected' || this.#badFrames > MAX_BAD_FRAMES) {
      this.close(CLOSES.invalidFrame);
    }
  }

  #respond(text: string): void {
    this.#send(text);
  }

  #send(frame: string | Uint8Array): void {
    if (this.#phase === 'closed') return;
    if (this.congested && this.#wouldOverflow(frame.length)) return this.close(CLOSES.slowConsumer);
    if (this.#socket.send(frame) === 'buffered') this.congested = true;
  }

  #wouldOverflow(length: number): boolean {
    const { maxBufferedBytes } = this.#deps.services.config().gateway.limits;
    return this.#socket.bufferedBytes() + length > maxBufferedBytes;
  }

  /** The operator must be able to see why a page fails. What trust refused was logged at the upgrade, by its rule. */
  #logRefusal(error: ProtocolError): void {
    if (!this.#decision.ok) return;
    this.#deps.services.log.warn({
      event: 'handshake_refused',
      connId: this.id,
      ...this.#who(),
      code: error.details?.code ?? error.code,
      message: error.message.slice(0, 200),
    });
  }

  #leave(): void {
    clearTimeout(this.#deadline);
    if (this.#phase === 'connected') {
      this.#deps.hub.leave(this);
      this.#deps.ticks.leave(this);
    }
    this.#deps.turnstile.leave(this.#line);
    this.#phase = 'closed';
  }

  #who() {
    const decision = this.#decision;
    return {
      ...(decision.ok && {
        user: decision.principal.userId,
        instance: decision.principal.instanceId,
      }),
      client_address: decision.clientAddress,
      ...(decision.requestId !== undefined && { requestId: decision.requestId }),
    };
  }
}

/** Stands until the handshake; owns nothing and can ask nothing. */
const NOBODY: Principal = { userId: '', instanceId: '' };
