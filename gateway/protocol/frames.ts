/**
 * Frames as text: what a client may send, checked by hand because every request passes here, and
 * what the gateway sends, assembled so that one serialisation serves many sockets.
 */

import type { ProtocolError } from './errors.ts';

export const MAX_DEPTH = 64;
export const MAX_ID_CHARS = 256;
export const MAX_METHOD_CHARS = 128;
const MAX_TRACEPARENT_CHARS = 128;

/** The id of an error response to a frame whose own id cannot be read. */
export const UNREADABLE_ID = 'invalid';

export interface RequestFrame {
  readonly id: string;
  readonly method: string;
  /** Whatever the client sent; a method's own schema judges it. Empty if absent or null. */
  readonly params: Readonly<Record<string, unknown>>;
  /** W3C trace context, unverified. */
  readonly traceparent?: string;
}

export type FrameProblemKind = 'too_long' | 'too_deep' | 'not_json' | 'not_request';

export interface FrameProblem {
  readonly kind: FrameProblemKind;
  /** The frame's own id, or `UNREADABLE_ID`: where an error response can go. */
  readonly id: string;
  /** For the error response; repeats nothing of the frame. */
  readonly message: string;
}

export type DecodedFrame =
  | { readonly ok: true; readonly frame: RequestFrame }
  | { readonly ok: false; readonly problem: FrameProblem };

/**
 * Reads one text frame. Never throws; takes time linear in the length of `text`. `maxChars` is in
 * UTF-16 units: a caller that already bounds the bytes need not give it. Unknown fields are ignored.
 */
export function decodeFrame(text: string, maxChars = Number.POSITIVE_INFINITY): DecodedFrame {
  if (text.length > maxChars) return failed('too_long', `frame exceeds ${maxChars} characters`);
  // Deep values would overflow the stack of whoever walks them later.
  if (exceedsDepth(text, MAX_DEPTH)) {
    return failed('too_deep', `nested deeper than ${MAX_DEPTH} levels`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return failed('not_json', 'not JSON');
  }
  return isObject(value) ? readRequest(value) : failed('not_request', 'must be object');
}

function readRequest(value: Readonly<Record<string, unknown>>): DecodedFrame {
  const { id, method, params, traceparent } = value;
  if (!isText(id, MAX_ID_CHARS)) {
    return failed('not_request', `id must be a string of 1 to ${MAX_ID_CHARS} characters`);
  }
  if (value['type'] !== 'req') return failed('not_request', "type must be 'req'", id);
  if (!isText(method, MAX_METHOD_CHARS)) {
    const expected = `method must be a string of 1 to ${MAX_METHOD_CHARS} characters`;
    return failed('not_request', expected, id);
  }
  if (params !== undefined && params !== null && !isObject(params)) {
    return failed('not_request', 'params must be object', id);
  }
  const trace = isText(traceparent, MAX_TRACEPARENT_CHARS) && { traceparent };
  return { ok: true, frame: { id, method, params: params ?? {}, ...trace } };
}

function failed(kind: FrameProblemKind, why: string, id = UNREADABLE_ID): DecodedFrame {
  return { ok: false, problem: { kind, id, message: `invalid request frame: ${why}` } };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown, maxChars: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= maxChars;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether brackets outside strings nest deeper than `limit`. Exact for JSON, harmless for the rest. */
function exceedsDepth(text: string, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case 0x5b: // [
      case 0x7b: // {
        depth += 1;
        if (depth > limit) return true;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
      case QUOTE:
        at = endOfString(text, at + 1);
        break;
      default:
    }
  }
  return false;
}

/**
 * Where the string that begins at `from` closes. Jumping from quote to quote keeps a megabyte of
 * base64 cheap; the backslashes before each quote are looked at once, so the whole stays linear.
 */
function endOfString(text: string, from: number): number {
  let quote = text.indexOf('"', from);
  while (quote !== -1) {
    let slash = quote - 1;
    while (slash >= from && text.charCodeAt(slash) === BACKSLASH) slash -= 1;
    if ((quote - slash) % 2 === 1) return quote;
    quote = text.indexOf('"', quote + 1);
  }
  return text.length;
}

/** A successful response. Without a payload the field is left out. */
export function responseFrame(id: string, payload?: unknown): string {
  return JSON.stringify({ type: 'res', id, ok: true, payload });
}

/** A failed response. */
export function errorFrame(id: string, error: ProtocolError): string {
  return JSON.stringify({ type: 'res', id, ok: false, error });
}

/**
 * An event frame up to, but not including, its sequence number: serialised once, then completed by
 * `withSeq` for each socket or by `withoutSeq`.
 */
export function eventBody(event: string, payload: unknown): string {
  const frame = JSON.stringify({ type: 'event', event, payload });
  return frame.slice(0, -1);
}

/** The frame for one socket. `seq` counts that socket's events from 1 without gaps. */
export function withSeq(body: string, seq: number): string {
  return `${body},"seq":${seq}}`;
}

/** The frame for a socket that is not counted yet (`connect.challenge`). */
export function withoutSeq(body: string): string {
  return `${body}}`;
}
