/** Reads a values file: what each key may hold, and what to do when it holds something else. */

import { isIPv4, isIPv6 } from 'node:net';
import { isAddress, isUpstreamName } from './map.ts';
import type { Limits, NginxValues, SecretSource, Timeouts, ValuesResult } from './values.ts';

const KEYS: ReadonlySet<string> = new Set([
  'serverNames',
  'listen',
  'tls',
  'allowedOrigins',
  'portal',
  'refusals',
  'mapFile',
  'internalSecretFile',
  'gatewaySecret',
  'upstreams',
  'limits',
  'timeouts',
  'accessLog',
  'errorLog',
  'user',
  'unprivileged',
  'workers',
  'workerConnections',
]);

const LIMITS: Limits = {
  handshakesPerSecond: 10,
  handshakeBurst: 50,
  socketsPerUser: 20,
  socketsPerAddress: 500,
  apiPerSecond: 20,
  apiBurst: 60,
};

const TIMEOUTS: Timeouts = { verifyMs: 3_000, gatewayConnectMs: 2_000, readMs: 90_000 };

const MAX_LIMIT = 1_000_000;
const DAY_MS = 86_400_000;

type Complain = (problem: string) => void;
type Raw = Readonly<Record<string, unknown>>;

export function readFields(raw: unknown, secrets: SecretSource): ValuesResult {
  const problems: string[] = [];
  const complain: Complain = (problem) => void problems.push(problem);
  if (!isObject(raw)) return { ok: false, problems: ['the values must be one JSON object'] };
  refuseUnknown('', raw, KEYS, complain);
  const unprivileged = flag(raw, 'unprivileged', complain);
  const logs = unprivileged ? '' : '/var/log/nginx/';
  const tls = readTls(raw, complain);
  const gatewaySecret = readGatewaySecret(raw, secrets, complain);
  const values: NginxValues = {
    serverNames: readServerNames(raw['serverNames'], complain),
    listen: readListen(raw, tls !== undefined, complain),
    ...(tls && { tls }),
    allowedOrigins: list(raw, 'allowedOrigins', originProblem, complain),
    portal: address(raw, 'portal', '127.0.0.1:18800', complain),
    refusals: address(raw, 'refusals', '127.0.0.1:18801', complain),
    mapFile: path(raw, 'mapFile', 'oc-ws-map.conf', complain),
    internalSecret: readSecret(raw, 'internalSecretFile', 'OC_INTERNAL_SECRET', secrets, complain),
    ...(gatewaySecret && { gatewaySecret }),
    upstreams: readUpstreams(raw['upstreams'], complain),
    limits: readNumbers('limits', raw['limits'], LIMITS, MAX_LIMIT, complain),
    timeouts: readNumbers('timeouts', raw['timeouts'], TIMEOUTS, DAY_MS, complain),
    accessLog: path(raw, 'accessLog', `${logs}oc-gateway.log`, complain),
    errorLog: path(raw, 'errorLog', `${logs}error.log`, complain),
    user: readUser(raw['user'], complain),
    unprivileged,
    workers: readWorkers(raw['workers'], complain),
    workerConnections: readNumbers(
      '',
      pick(raw, 'workerConnections'),
      { workerConnections: unprivileged ? 1_024 : 32_768 },
      MAX_LIMIT,
      complain,
    ).workerConnections,
  };
  return problems.length > 0 ? { ok: false, problems } : { ok: true, values };
}

/** One name or list for all three roles, or one for each. A name that serves two roles serves the same two everywhere. */
function readServerNames(raw: unknown, complain: Complain): NginxValues['serverNames'] {
  const roles = ['page', 'api', 'socket'] as const;
  const byRole: Raw = isObject(raw) ? raw : { page: raw, api: raw, socket: raw };
  if (isObject(raw)) refuseUnknown('serverNames.', raw, new Set(roles), complain);
  const shared = !isObject(raw);
  const names = roles.map((role, index) => {
    const key = shared ? 'serverNames' : `serverNames.${role}`;
    const given = byRole[role];
    const found = typeof given === 'string' ? [given] : given;
    // The same list three times over has its problems told once.
    const tell = shared && index > 0 ? () => {} : complain;
    return list({ [key]: found }, key, serverNameProblem, tell).toSorted();
  });
  const [page = [], api = [], socket = []] = names;
  for (const [one, other] of [
    [page, api],
    [page, socket],
    [api, socket],
  ] as const) {
    const both = one.filter((name) => other.includes(name));
    if (both.length > 0 && one.join() !== other.join()) {
      complain(
        `serverNames: ${both.join(', ')} stands in two lists that differ; give both roles the same list, or no common name`,
      );
    }
  }
  return { page, api, socket };
}

function readListen(raw: Raw, hasTls: boolean, complain: Complain): readonly string[] {
  if (raw['listen'] === undefined) return hasTls ? ['443', '[::]:443'] : ['127.0.0.1:8080'];
  return list(raw, 'listen', listenProblem, complain);
}

function readTls(raw: Raw, complain: Complain): NginxValues['tls'] {
  const tls = raw['tls'];
  if (tls === undefined) return undefined;
  if (!isObject(tls)) {
    complain('tls: must be {"certificate": PATH, "key": PATH}; leave it out for plain HTTP');
    return undefined;
  }
  refuseUnknown('tls.', tls, new Set(['certificate', 'key']), complain);
  const inTls: Complain = (problem) => complain(`tls.${problem}`);
  return {
    certificate: absolutePath(tls, 'certificate', inTls),
    key: absolutePath(tls, 'key', inTls),
  };
}

function readGatewaySecret(
  raw: Raw,
  secrets: SecretSource,
  complain: Complain,
): NginxValues['gatewaySecret'] {
  const given = raw['gatewaySecret'];
  if (given === undefined) return undefined;
  if (!isObject(given)) {
    complain('gatewaySecret: must be {"header": NAME, "file": PATH}');
    return undefined;
  }
  refuseUnknown('gatewaySecret.', given, new Set(['header', 'file']), complain);
  const header = given['header'] ?? 'X-Gateway-Secret';
  if (typeof header !== 'string' || !/^[A-Za-z][A-Za-z0-9-]{1,63}$/.test(header)) {
    complain('gatewaySecret.header: must be the name of a header: letters, digits and hyphens');
    return undefined;
  }
  const inside: Complain = (problem) => complain(`gatewaySecret.${problem}`);
  const value = readSecret(given, 'file', 'OC_GATEWAY_SECRET', secrets, inside);
  return { header, value };
}

/** From the file that the key names, else from the environment. Its value is never part of a problem. */
function readSecret(
  raw: Raw,
  key: string,
  variable: string,
  secrets: SecretSource,
  complain: Complain,
): string {
  const named = raw[key];
  let value = secrets.env[variable] ?? '';
  if (named !== undefined) {
    if (typeof named !== 'string' || named === '') {
      complain(`${key}: must be the path of a file that holds the secret`);
      return '';
    }
    try {
      value = secrets.file(named).replace(/\r?\n$/, '');
    } catch {
      complain(`${key}: cannot read ${JSON.stringify(named)}; does it exist, and may you read it?`);
      return '';
    }
  }
  if (value === '') {
    complain(`${key}: no secret; name a file that holds it, or set ${variable}`);
  } else if (!/^[A-Za-z0-9._~+/=-]{16,256}$/.test(value)) {
    complain(
      `${named === undefined ? variable : key}: the secret must be 16 to 256 characters of A-Z a-z 0-9 . _ ~ + / = -`,
    );
  }
  return value;
}

function readUpstreams(raw: unknown, complain: Complain): NginxValues['upstreams'] {
  if (raw === undefined) return {};
  if (!isObject(raw)) {
    complain('upstreams: must be an object of name: ["ip:port", …]');
    return {};
  }
  const read: Record<string, readonly string[]> = {};
  for (const name of Object.keys(raw)) {
    if (!isUpstreamName(name)) {
      complain(
        `upstreams: ${JSON.stringify(name)} is not a usable name; take lower case with an underscore in it, such as "oc_pool"`,
      );
    }
    const inside: Complain = (problem) => complain(`upstreams.${problem}`);
    read[name] = list(raw, name, (text) => addressProblem(text), inside);
  }
  return read;
}

function readUser(raw: unknown = 'www-data', complain: Complain): string {
  if (typeof raw === 'string' && /^[a-z_][a-z0-9_-]{0,31}$/.test(raw)) return raw;
  complain('user: must be the name of a user of the system');
  return '';
}

function readWorkers(raw: unknown, complain: Complain): number | 'auto' {
  if (raw === undefined || raw === 'auto') return 'auto';
  if (typeof raw === 'number' && Number.isInteger(raw) && raw >= 1 && raw <= 512) return raw;
  complain('workers: must be "auto" or a whole number from 1 to 512');
  return 'auto';
}

/** Whole numbers from 1 to `most`, each with its default. */
function readNumbers<T extends { readonly [K in keyof T]: number }>(
  key: string,
  raw: unknown,
  defaults: T,
  most: number,
  complain: Complain,
): T {
  if (raw === undefined) return defaults;
  if (!isObject(raw)) {
    complain(`${key}: must be an object`);
    return defaults;
  }
  const prefix = key === '' ? '' : `${key}.`;
  refuseUnknown(prefix, raw, new Set(Object.keys(defaults)), complain);
  for (const [name, value] of Object.entries(raw)) {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most)
      continue;
    complain(`${prefix}${name}: must be a whole number from 1 to ${most}`);
  }
  return { ...defaults, ...raw };
}

function pick(raw: Raw, key: string): Raw | undefined {
  return raw[key] === undefined ? undefined : { [key]: raw[key] };
}

function flag(raw: Raw, key: string, complain: Complain): boolean {
  const value = raw[key];
  if (value !== undefined && typeof value !== 'boolean') complain(`${key}: must be true or false`);
  return value === true;
}

function address(raw: Raw, key: string, preset: string, complain: Complain): string {
  const given = raw[key] ?? preset;
  const value = typeof given === 'string' ? given : '';
  const problem = addressProblem(value);
  if (problem !== undefined) complain(`${key}: ${problem}`);
  return value;
}

function absolutePath(raw: Raw, key: string, complain: Complain): string {
  const value = path(raw, key, undefined, complain);
  if (value !== '' && !value.startsWith('/')) complain(`${key}: must be an absolute path`);
  return value;
}

function path(raw: Raw, key: string, preset: string | undefined, complain: Complain): string {
  const given = raw[key] ?? preset;
  const value = typeof given === 'string' ? given : '';
  if (!/^[A-Za-z0-9/_.+@-]{1,512}$/.test(value)) {
    complain(`${key}: must be a path of letters, digits and / _ . + @ -`);
  }
  return value;
}

function list(
  raw: Raw,
  key: string,
  problemOf: (text: string) => string | undefined,
  complain: Complain,
): readonly string[] {
  const value = raw[key];
  if (!Array.isArray(value) || value.length === 0 || value.length > 200) {
    complain(`${key}: must be a list of 1 to 200 texts`);
    return [];
  }
  const texts = value.filter((each) => typeof each === 'string');
  if (texts.length < value.length) complain(`${key}: every element must be a text`);
  for (const text of texts) {
    const problem = problemOf(text);
    if (problem !== undefined) complain(`${key}: ${problem}`);
  }
  if (new Set(texts).size < texts.length) complain(`${key}: something stands twice`);
  return texts;
}

function refuseUnknown(prefix: string, raw: Raw, known: ReadonlySet<string>, complain: Complain) {
  for (const key of Object.keys(raw)) {
    if (known.has(key)) continue;
    complain(`${prefix}${key}: unknown key; the keys are ${[...known].join(', ')}`);
  }
}

function addressProblem(text: string): string | undefined {
  return isAddress(text) ? undefined : `${JSON.stringify(text)} must be "ip:port" or "[ipv6]:port"`;
}

const HOST =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

function serverNameProblem(text: string): string | undefined {
  if (HOST.test(text)) return undefined;
  return `${JSON.stringify(text)} must be a host name in lower case, without a scheme, port, wildcard or final dot`;
}

/** As browsers send it: no path, no default port, lower case. */
function originProblem(text: string): string | undefined {
  const wrong = `${JSON.stringify(text)} must be an origin as browsers send it, such as "https://app.example.com"`;
  if (!/^https?:\/\/[a-z0-9.-]+(?::[0-9]+)?$/.test(text)) return wrong;
  return URL.canParse(text) && new URL(text).origin === text ? undefined : wrong;
}

function listenProblem(text: string): string | undefined {
  const [, host, port = ''] = /^(?:(.+):)?([0-9]{1,5})$/.exec(text) ?? [];
  const goodHost =
    host === undefined ||
    isIPv4(host) ||
    (host.startsWith('[') &&
      host.endsWith(']') &&
      isIPv6(host.slice(1, -1)) &&
      !host.includes('%'));
  if (goodHost && /^[1-9]/.test(port) && Number(port) <= 65_535) return undefined;
  return `${JSON.stringify(text)} must be "port", "ip:port" or "[ipv6]:port"`;
}

function isObject(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
