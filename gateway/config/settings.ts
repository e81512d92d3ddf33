/** What follows from a configuration: pure functions that the rest of the gateway asks. */

import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { isIPv6, isLoopback, parseNetwork } from './formats.ts';
import { type ConfigProblem, error, quote } from './problem.ts';
import type { Config } from './schema.ts';
import type { Environment } from './substitute.ts';
import type { Advice } from './vocabulary.ts';

/** The agent that exists where none is configured. */
const IMPLICIT_AGENT = 'main';

const MAX_PORT = 65_535;

/** OPENCLAW_STATE_DIR, else `~/.openclaw`; absolute. */
export function stateDirectory(env: Environment): string {
  return resolve(expandHome(env['OPENCLAW_STATE_DIR'] || join('~', '.openclaw'), env));
}

/** Absolute path of the SQLite file; relative ones start in the state directory. */
export function storagePath(config: Config, env: Environment): string {
  const { path } = config.gateway.storage;
  return real(resolve(stateDirectory(env), expandHome(path ?? 'oc-gateway.sqlite', env)));
}

/** SQLite puts its log beside the file that a link leads to, and so does who looks for it, or locks it. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // It is not there yet.
    return path;
  }
}

/** `~` and `~/…` as a shell reads them; HOME first, as there. */
export function expandHome(path: string, env: Environment): string {
  if (path !== '~' && !path.startsWith('~/')) return path;
  return join(env['HOME'] || homedir(), path.slice(1));
}

export interface ListenAddress {
  /** IP address for the listener. `::` takes IPv4 too. */
  readonly host: string;
  /** Why this one: a clause for the start log. */
  readonly reason: string;
}

/** Where to listen. Unset and `auto`: all interfaces if a proxy on another machine is trusted, else loopback. */
export function listenAddress(config: Config): ListenAddress {
  const { bind, customBindHost, trustedProxies } = config.gateway;
  const remote = remoteProxies(trustedProxies);
  // Where IPv6 is switched off, `::` cannot be bound; so it is used only where it is needed.
  const everywhere = remote.some(isIPv6) ? '::' : '0.0.0.0';
  if (bind === 'custom' && customBindHost !== undefined) {
    return { host: customBindHost, reason: 'gateway.bind is "custom"' };
  }
  if (bind === 'lan') return { host: everywhere, reason: 'gateway.bind is "lan"' };
  if (bind === 'loopback') return { host: '127.0.0.1', reason: 'gateway.bind is "loopback"' };
  if (remote.length > 0) {
    return { host: everywhere, reason: 'a proxy on another machine is trusted' };
  }
  return { host: '127.0.0.1', reason: 'no proxy on another machine is trusted' };
}

/** The trusted networks that are not this machine's loopback. */
export function remoteProxies(trustedProxies: readonly string[]) {
  return trustedProxies
    .map(parseNetwork)
    .filter((network) => network !== undefined)
    .filter((network) => !isLoopback(network));
}

export type ListenPort =
  | { readonly ok: true; readonly port: number; readonly reason: string }
  | { readonly ok: false; readonly problem: ConfigProblem };

/** TCP port, 0 for any free one: `--port`, else OPENCLAW_GATEWAY_PORT, else `gateway.port`, else 18789. */
export function listenPort(config: Config, env: Environment, flag?: string): ListenPort {
  const named = namedPort(config, env, flag);
  const clash = named.ok ? adminPortClash(config, named.port) : undefined;
  return clash ? { ok: false, problem: error(undefined, 'gateway.admin.port', clash) } : named;
}

function namedPort(config: Config, env: Environment, flag?: string): ListenPort {
  if (flag !== undefined) return readPort(flag, '--port');
  const variable = env['OPENCLAW_GATEWAY_PORT'];
  if (variable) return readPort(variable, 'OPENCLAW_GATEWAY_PORT');
  return { ok: true, port: config.gateway.port, reason: 'gateway.port' };
}

/** What is wrong with the admin listener's port, if one of the sockets' processes takes it, from `port` on. */
export function adminPortClash({ gateway }: Config, port: number): Advice | undefined {
  const { admin, workers } = gateway;
  if (!admin || admin.port === 0 || port === 0) return undefined;
  const last = port + workers - 1;
  if (admin.port < port || admin.port > last) return undefined;
  const taken = workers === 1 ? `${port} is` : `${port} to ${last} are`;
  return {
    message: `it is a port of the gateway's own: ${taken} for sockets (gateway.port, gateway.workers)`,
    cure: 'choose another one, such as 18811',
  };
}

function readPort(text: string, source: string): ListenPort {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= MAX_PORT) return { ok: true, port, reason: source };
  const problem = error(undefined, source, {
    message: `${quote(text)} is not a port`,
    cure: `give a whole number from 0 to ${MAX_PORT}; 0 picks a free port`,
  });
  return { ok: false, problem };
}

/** Ids of all agents, in the order of the file; never empty. */
export function agentIds(config: Config): readonly string[] {
  const ids = Object.keys(config.agents.entries);
  return ids.length > 0 ? ids : [IMPLICIT_AGENT];
}

/** The agent with `default: true`, else the first. */
export function defaultAgentId(config: Config): string {
  const ids = agentIds(config);
  return ids.find((id) => config.agents.entries[id]?.default) ?? ids[0] ?? IMPLICIT_AGENT;
}

/** `provider/model` references of an agent, primary first; empty if no model is configured. */
export function modelChain(config: Config, agentId: string): readonly string[] {
  const model = config.agents.entries[agentId]?.model ?? config.agents.defaults.model;
  if (model === undefined) return [];
  return typeof model === 'string' ? [model] : [model.primary, ...model.fallbacks];
}

/** `oneapi/vendor/model` → provider `oneapi`, model `vendor/model`. */
export function splitModelRef(ref: string): { provider: string; model: string } {
  const slash = ref.indexOf('/');
  return { provider: ref.slice(0, slash), model: ref.slice(slash + 1) };
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** `"12h"` in milliseconds. A number, or a text without a unit, is days. */
export function durationMs(duration: string | number): number {
  const [, count = '0', unit = 'd'] = /^(\d+)(ms|s|m|h|d|w)?$/.exec(String(duration)) ?? [];
  return Number(count) * (UNIT_MS[unit] ?? 0);
}
