/** The connections to an endpoint: kept for the next call, and cheap to read a token from. */

import type { Agent } from 'node:http';
import type { OnReadOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { flowDirectly } from './direct-flow.ts';

/** Idle connections are closed after this. Many servers and balancers close theirs after 60 s. */
const IDLE_MS = 30_000;

/** What libuv reads at most at once. */
const READ_BYTES = 64 * 1024;

/** Filled, and copied out of, within one callback: nothing else can be read meanwhile. */
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

/** For an agent. Connections are not limited: a stream holds one to its end. */
export const POOLED = { keepAlive: true, timeout: IDLE_MS };

/**
 * Changes a new agent with the options `POOLED`, and gives it back.
 *
 * - Its sockets read into one buffer, shared by all. By itself Node takes 64 KiB from the system for each read and
 *   gives most of it back: for a token in 230 bytes that is dear, and the collector has to sweep what is left.
 * - What they read goes straight to the parser of responses (see `flowDirectly`).
 * - They are timed while nobody uses them. By itself Node would set the timer anew for each token.
 */
export function cheapToRead<Kind extends Agent>(agent: Kind): Kind {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    let socket: Duplex | null | undefined;
    const onread: OnReadOpts = {
      buffer: shared,
      callback(bytesRead) {
        // Small ones come out of Node's own pool.
        const chunk = Buffer.allocUnsafe(bytesRead);
        shared.copy(chunk, 0, 0, bytesRead);
        return socket?.push(chunk) ?? false;
      },
    };
    const untimed = { ...options, onread, timeout: 0 };
    socket = connect(untimed, callback);
    if (socket) flowDirectly(socket);
    return socket;
  };
  const reuse = agent.reuseSocket.bind(agent);
  agent.reuseSocket = (socket, request) => {
    reuse(socket, request);
    if ('setTimeout' in socket && typeof socket.setTimeout === 'function') socket.setTimeout(0);
  };
  return agent;
}
