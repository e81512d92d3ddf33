/**
 * One WebSocket to the gateway, from `new` to `close`. It counts as connected only after hello-ok:
 * `open` also fires when a proxy accepts an upgrade just to close it with a reason.
 *
 * OpenClaw's client package is not used: its browser entry brings sessions, device pairing and a
 * reconnect policy of its own (24 kB compressed), and knows no codes 44xx. What a page needs is this.
 */

import { count, type Fields, fields, isFields, list, parseJson, text } from '../wire.ts';

export interface WireError {
  readonly code: string;
  /** `details.code`: what to decide by. */
  readonly detail: string | undefined;
  readonly details: Fields;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
}

/** A request that the gateway refused, or that a closed socket left unanswered (`SOCKET_CLOSED`). */
export class RequestFailed extends Error {
  readonly error: WireError;
  constructor(error: WireError) {
    super(error.message);
    this.error = error;
  }
}

export interface Hello {
  readonly connId: string;
  readonly methods: ReadonlySet<string>;
  readonly mainSessionKey: string;
  readonly modelConfigured: boolean;
  /** Bytes of the largest frame that may be sent. */
  readonly maxPayload: number;
  /** Bytes of the largest image, decoded; absent: images are not taken. */
  readonly maxImageBytes: number | undefined;
}

export interface SocketEnd {
  readonly code: number;
  readonly reason: string;
  /** Whether the upgrade got through, hello or not. */
  readonly opened: boolean;
  readonly greeted: boolean;
  /** The error that answered `connect`. */
  readonly refusal: WireError | undefined;
}

export interface SocketHandlers {
  hello(hello: Hello): void;
  event(name: string, payload: Fields): void;
  /** Once, whoever closed it. */
  end(end: SocketEnd): void;
}

export interface GatewaySocket {
  /** Rejects with `RequestFailed`. */
  request(method: string, params: object): Promise<Fields>;
  close(code: number, reason: string): void;
  /** Judges at once whether too much silence has passed: timers stand still while a laptop sleeps. */
  check(): void;
}

/** The gateway's own deadline is 15 s; a proxy that holds the upgrade back gets a little more. */
const HELLO_MS = 20_000;
const DEFAULT_TICK_MS = 30_000;
const SECOND_LOOK_MS = 500;
/** What OpenClaw's client sends when the other side fell silent, and we when frames are missing. */
export const CLOSE_SILENT = 4000;

interface Waiting {
  readonly resolve: (payload: Fields) => void;
  readonly reject: (error: RequestFailed) => void;
}

export function openSocket(url: string, handlers: SocketHandlers): GatewaySocket {
  const socket = new WebSocket(url);
  const waiting = new Map<string, Waiting>();
  let opened = false;
  let greeted = false;
  let ended = false;
  let refusal: WireError | undefined;
  let nextId = 0;
  let lastSeq = 0;
  let heardAt = Date.now();
  let silenceMs = HELLO_MS;
  let maxPayload = Number.POSITIVE_INFINITY;

  const end = (code: number, reason: string) => {
    if (ended) return;
    ended = true;
    clearInterval(watchdog);
    const error = closedError();
    for (const each of waiting.values()) each.reject(error);
    waiting.clear();
    handlers.end({ code, reason, opened, greeted, refusal });
  };
  const close = (code: number, reason: string) => {
    // The closing handshake may take as long as the network is broken; nobody waits for it.
    socket.close(code, reason);
    end(code, reason);
  };
  const isSilent = () => Date.now() - heardAt > silenceMs;
  const check = () => {
    if (!isSilent()) return;
    // A page that was held up, or slept, may not have read yet what has long been there.
    setTimeout(() => {
      if (!ended && isSilent()) close(CLOSE_SILENT, greeted ? 'silence' : 'no hello');
    }, SECOND_LOOK_MS);
  };
  const watchdog = setInterval(check, 1_000);

  const request = (method: string, params: object): Promise<Fields> =>
    new Promise((resolve, reject) => {
      if (ended || socket.readyState !== WebSocket.OPEN) {
        reject(closedError());
        return;
      }
      nextId += 1;
      const id = String(nextId);
      const frame = JSON.stringify({ type: 'req', id, method, params });
      // The gateway would close the connection, and the next one again.
      if (bytesOf(frame) > maxPayload) {
        reject(tooLarge());
        return;
      }
      waiting.set(id, { resolve, reject });
      socket.send(frame);
    });

  const greet = async () => {
    try {
      const payload = await request('connect', connectParams());
      const hello = readHello(payload);
      silenceMs = 2 * (count(fields(payload['policy'])['tickIntervalMs']) ?? DEFAULT_TICK_MS);
      maxPayload = hello.maxPayload;
      greeted = true;
      handlers.hello(hello);
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      if (error.error.detail !== 'SOCKET_CLOSED') refusal = error.error;
    }
  };

  const onEvent = (frame: Fields) => {
    const name = text(frame['event']) ?? '';
    if (name === 'connect.challenge') {
      void greet();
      return;
    }
    const seq = count(frame['seq']);
    if (seq !== undefined) {
      if (seq !== lastSeq + 1) {
        close(CLOSE_SILENT, 'lost frames');
        return;
      }
      lastSeq = seq;
    }
    handlers.event(name, fields(frame['payload']));
  };

  socket.addEventListener('open', () => {
    opened = true;
  });
  socket.addEventListener('message', (message: MessageEvent<unknown>) => {
    if (ended) return;
    heardAt = Date.now();
    const frame = fields(parseJson(text(message.data) ?? ''));
    if (frame['type'] === 'event') onEvent(frame);
    if (frame['type'] !== 'res') return;
    const id = text(frame['id']) ?? '';
    const asked = waiting.get(id);
    waiting.delete(id);
    if (frame['ok'] === true) asked?.resolve(fields(frame['payload']));
    else asked?.reject(new RequestFailed(readError(frame['error'])));
  });
  // A refusal's error is read in a microtask of its own message, so it is there before the close.
  socket.addEventListener('close', (event) => end(event.code, event.reason));
  return { request, close, check };
}

function connectParams(): object {
  return {
    minProtocol: 4,
    maxProtocol: 4,
    client: { id: 'webchat-ui', version: '1', platform: 'web', mode: 'webchat' },
    role: 'operator',
    // For what the model thinks while it thinks; the answer's text comes as `chat` events.
    caps: ['tool-events'],
    locale: navigator.language,
  };
}

function readHello(payload: Fields): Hello {
  const defaults = fields(fields(payload['snapshot'])['sessionDefaults']);
  const policy = fields(payload['policy']);
  const attachments = policy['attachments'];
  return {
    connId: text(fields(payload['server'])['connId']) ?? '',
    methods: new Set(
      list(fields(payload['features'])['methods']).flatMap((each) => text(each) ?? []),
    ),
    mainSessionKey: text(defaults['mainSessionKey']) ?? 'main',
    modelConfigured: defaults['modelConfigured'] !== false,
    maxPayload: count(policy['maxPayload']) ?? 1024 * 1024,
    maxImageBytes: isFields(attachments)
      ? (count(attachments['maxImageBytes']) ?? count(attachments['maxBytes']))
      : undefined,
  };
}

function readError(value: unknown): WireError {
  const error = fields(value);
  const details = fields(error['details']);
  return {
    code: text(error['code']) ?? 'UNAVAILABLE',
    detail: text(details['code']),
    details,
    message: text(error['message']) ?? '',
    retryable: error['retryable'] === true,
    retryAfterMs: count(error['retryAfterMs']),
  };
}

/** Length in UTF-8. */
export function bytesOf(words: string): number {
  return new Blob([words]).size;
}

function tooLarge(): RequestFailed {
  return new RequestFailed({
    code: 'INVALID_REQUEST',
    detail: 'FRAME_TOO_LARGE',
    details: {},
    message: 'The message is too large to be sent.',
    retryable: false,
    retryAfterMs: undefined,
  });
}

function closedError(): RequestFailed {
  return new RequestFailed({
    code: 'UNAVAILABLE',
    detail: 'SOCKET_CLOSED',
    details: {},
    message: 'The connection closed before the answer came.',
    retryable: true,
    retryAfterMs: undefined,
  });
}
