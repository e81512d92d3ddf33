/** Why a listener could not take its address, and what to do. */

import { once } from 'node:events';

export interface Listener {
  host: string;
  port: number;
  /** The keys that choose the address, for the advice. */
  keys: { readonly host: string; readonly port: string };
}

/** @param code of the system, such as `EADDRINUSE`; undefined if it is not known. */
export function cannotListen({ host, port, keys }: Listener, code: string | undefined): Error {
  const at = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Error(`cannot listen on ${at} (${keys.port}): ${reasonOf(keys, port, code)}`);
}

/** For a library that does not tell: the system is asked for the same address again, and gives its reason. */
export async function askWhy({ host, port }: Listener): Promise<string | undefined> {
  const { createServer } = process.getBuiltinModule('node:net');
  const probe = createServer();
  try {
    probe.listen({ host, port, exclusive: true });
    await once(probe, 'listening');
    probe.close();
    return undefined;
  } catch (error) {
    return listenCode(error);
  }
}

export function listenCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

function reasonOf(keys: Listener['keys'], port: number, code: string | undefined): string {
  switch (code) {
    case 'EADDRINUSE':
      return `another program listens there. End it (\`ss -ltnp 'sport = :${port}'\` names it), or choose another ${keys.port}.`;
    case 'EACCES':
    case 'EPERM':
      return `permission denied. Ports below 1024 are root's on most systems: choose a higher ${keys.port}.`;
    case 'EADDRNOTAVAIL':
      return `this machine has no such address. Correct ${keys.host}.`;
    case 'EAFNOSUPPORT':
      return `IPv6 is switched off on this machine. Correct ${keys.host}.`;
    case undefined:
      return 'the system refused it a moment ago, and would not now. Try again.';
    default:
      return `the system refuses it (${code}). Look at ${keys.host} and ${keys.port}.`;
  }
}
