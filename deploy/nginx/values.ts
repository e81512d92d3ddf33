/**
 * The few values that nginx's configuration is rendered from. Each is checked against a closed form, so
 * that no value can end a directive, open a block or name a variable of nginx's.
 */

import type { MapOptions } from './map.ts';
import { readFields } from './read-values.ts';

/** Which server names answer for the chat page, for the portal's API and for the sockets; all may be the same. */
export interface ServerNames {
  readonly page: readonly string[];
  readonly api: readonly string[];
  readonly socket: readonly string[];
}

export interface Limits {
  /** Handshakes per second and client address, and how many may come at once beyond that. */
  readonly handshakesPerSecond: number;
  readonly handshakeBurst: number;
  /** Open sockets. */
  readonly socketsPerUser: number;
  readonly socketsPerAddress: number;
  /** API requests per second and client address, and how many may come at once beyond that. */
  readonly apiPerSecond: number;
  readonly apiBurst: number;
}

/** Milliseconds. */
export interface Timeouts {
  /** For the portal to verify a token. */
  readonly verifyMs: number;
  /** For the gateway to take a connection. */
  readonly gatewayConnectMs: number;
  /** Silence in both directions that ends a socket; also how long a gateway may take to answer a handshake. */
  readonly readMs: number;
}

export interface NginxValues {
  readonly serverNames: ServerNames;
  /** `port`, `ip:port` or `[ipv6]:port`. */
  readonly listen: readonly string[];
  /** Paths. Absent: plain HTTP, for one machine or behind something else that speaks TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  readonly allowedOrigins: readonly string[];
  /** `ip:port`. */
  readonly portal: string;
  /** `ip:port`. */
  readonly refusals: string;
  /** Absolute, or relative to the folder of nginx.conf. */
  readonly mapFile: string;
  readonly internalSecret: string;
  readonly gatewaySecret?: { readonly header: string; readonly value: string };
  /** Several gateway processes behind one name of the map. */
  readonly upstreams: Readonly<Record<string, readonly string[]>>;
  readonly limits: Limits;
  readonly timeouts: Timeouts;
  /** One JSON line for each request. Absolute, or relative to nginx's prefix. */
  readonly accessLog: string;
  /** Starts, reloads and what is wrong with nginx itself; nothing about requests. */
  readonly errorLog: string;
  /** The user of the workers; has no say if nginx is not started by root. */
  readonly user: string;
  /** Pid and temporary files below nginx's prefix and no change of user: for a machine where nginx is not root's. */
  readonly unprivileged: boolean;
  readonly workers: number | 'auto';
  /** Per worker; a socket takes two. */
  readonly workerConnections: number;
}

/** Secrets are read from files or the environment, never from an argument. */
export interface SecretSource {
  /** @throws Error if it cannot be read. */
  readonly file: (path: string) => string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type ValuesResult =
  | { readonly ok: true; readonly values: NginxValues }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Checks what a values file holds, fills in defaults and fetches the secrets. All problems at once; never throws. */
export function readValues(raw: unknown, secrets: SecretSource): ValuesResult {
  return readFields(raw, secrets);
}

export function mapOptions(values: Pick<NginxValues, 'upstreams'>): MapOptions {
  return { upstreams: new Set(Object.keys(values.upstreams)) };
}
