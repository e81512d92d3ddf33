/**
 * A raw WebSocket client with the headers that a proxy adds. It records every frame, and checks each
 * one that the gateway sends against the published schema.
 */

import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { type ClientOptions as SocketOptions, WebSocket } from 'ws';
import { checkFrame } from './published-schema.ts';

// What arrives is whatever the gateway sent; tests look into it by path, and a wrong path fails them.
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

export const ORIGIN = 'https://chat.example';

export interface ClientOptions {
  port: number;
  /** With its query; `/` if absent. */
  path?: string;
  user?: string;
  instance?: string;
  session?: string;
  origin?: string | null;
  headers?: Record<string, string>;
  caps?: string[];
  scopes?: string[];
  /** Checks frames against the published schema; only off where a test is about something else. */
  check?: boolean;
  socket?: SocketOptions;
}

export interface Client {
  readonly frames: readonly Json[];
  readonly socket: WebSocket;
  hello: Json;
  /** Resolves with the payload; rejects with `RefusedError`. */
  request(method: string, params?: object): Promise<Json>;
  /** The whole response frame, whatever it says. */
  ask(method: string, params?: object): Promise<Json>;
  sendRaw(data: string | Buffer): void;
  /** The first frame, already here or to come, that the predicate takes. */
  frame(matches: (frame: Json) => boolean): Promise<Json>;
  event(name: string, matches?: (payload: Json) => boolean): Promise<Json>;
  /** Sends a message and waits for the terminal event of its run. */
  say(sessionKey: string, message: string, runId?: string): Promise<Json>;
  /** All chat events of a run so far. */
  chatEvents(runId: string): Json[];
  /** Concatenated deltas of a run so far. */
  text(runId: string): string;
  readonly closed: Promise<{ code: number; reason: string }>;
  close(): Promise<void>;
}

export class RefusedError extends Error {
  readonly error: Json;
  constructor(error: Json) {
    super(error.message);
    this.error = error;
  }
}

/** Opens the socket only: the challenge arrives, nothing is sent. */
export async function openClient(options: ClientOptions): Promise<Client> {
  const socket = new WebSocket(`ws://127.0.0.1:${options.port}${options.path ?? '/'}`, {
    headers: {
      ...(options.user !== undefined && { 'X-User-ID': options.user }),
      ...(options.instance !== undefined && { 'X-Instance-ID': options.instance }),
      ...(options.session !== undefined && { 'X-Session-Key': options.session }),
      ...(options.origin !== null && { Origin: options.origin ?? ORIGIN }),
      ...options.headers,
    },
    ...options.socket,
  });
  onTestFinished(() => socket.terminate());
  const client = observe(socket, options.check ?? true);
  await once(socket, 'open');
  return client;
}

/** Opens the socket and shakes hands. */
export async function connectClient(options: ClientOptions): Promise<Client> {
  const client = await openClient({ user: 'alice', ...options });
  client.hello = await client.request('connect', connectParams(options));
  return client;
}

export function connectParams(options: { caps?: string[]; scopes?: string[] } = {}): object {
  return {
    minProtocol: 4,
    maxProtocol: 4,
    client: { id: 'webchat', version: '1.0.0', platform: 'test', mode: 'webchat' },
    role: 'operator',
    ...(options.scopes && { scopes: options.scopes }),
    ...(options.caps && { caps: options.caps }),
  };
}

function observe(socket: WebSocket, check: boolean): Client {
  const frames: Json[] = [];
  const waiting = new Set<{ matches: (frame: Json) => boolean; found: (frame: Json) => void }>();
  const methods = new Map<string, string>();
  let lastId = 0;
  let failure: Error | undefined;

  socket.on('message', (data) => {
    const frame = JSON.parse(String(data));
    frames.push(frame);
    try {
      if (check) checkFrame(frame, methods.get(frame.id));
    } catch (error) {
      failure ??= error as Error;
    }
    for (const each of waiting) {
      if (!failure && !each.matches(frame)) continue;
      waiting.delete(each);
      each.found(frame);
    }
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });

  const client: Client = {
    frames,
    socket,
    hello: undefined,
    closed,
    async frame(matches) {
      const found = frames.find(matches) ?? (await next(matches));
      if (failure) throw failure;
      return found;
    },
    async event(name, matches = () => true) {
      const frame = await client.frame((each) => each.event === name && matches(each.payload));
      return frame.payload;
    },
    async ask(method, params) {
      const id = `q${++lastId}`;
      methods.set(id, method);
      socket.send(JSON.stringify({ type: 'req', id, method, ...(params && { params }) }));
      return client.frame((frame) => frame.type === 'res' && frame.id === id);
    },
    async request(method, params) {
      const frame = await client.ask(method, params);
      if (!frame.ok) throw new RefusedError(frame.error);
      return frame.payload;
    },
    sendRaw: (data) => socket.send(data),
    async say(sessionKey, message, runId = crypto.randomUUID()) {
      await client.request('chat.send', { sessionKey, message, idempotencyKey: runId });
      return client.event('chat', (each) => each.runId === runId && isTerminal(each.state));
    },
    chatEvents: (runId) =>
      frames
        .filter((frame) => frame.event === 'chat' && frame.payload.runId === runId)
        .map((frame) => frame.payload),
    text: (runId) =>
      client
        .chatEvents(runId)
        .filter((each) => each.state === 'delta')
        .map((each) => each.deltaText)
        .join(''),
    async close() {
      socket.close(1000);
      await closed;
    },
  };

  function next(matches: (frame: Json) => boolean): Promise<Json> {
    return new Promise((resolve, reject) => {
      const entry = { matches, found: resolve };
      waiting.add(entry);
      void closed.then(({ code, reason }) => {
        if (waiting.delete(entry)) reject(new Error(`closed ${code} ${reason}`));
      });
    });
  }
  return client;
}

export function isTerminal(state: string): boolean {
  return state === 'final' || state === 'aborted' || state === 'error';
}
