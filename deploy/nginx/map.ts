/**
 * oc-ws-map.conf, the table by which nginx finds an instance's gateway: one `<instance>  <backend>;` a line.
 * nginx itself takes nearly anything for a map, so what may stand in one is decided here.
 */

import { isIPv4, isIPv6 } from 'node:net';
import { isInstanceId } from './instance-id.ts';

export interface MapRow {
  readonly id: string;
  /** `ip:port`, `[ipv6]:port`, or the name of an upstream. */
  readonly backend: string;
}

export interface MapProblem {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export interface MapOptions {
  /** Upstreams that the configuration defines; absent: any well-formed name is taken. */
  readonly upstreams?: ReadonlySet<string>;
}

/** With an underscore, so that no upstream can be mistaken for the name of a host. At most 64 characters. */
const UPSTREAM = /^(?=.{3,64}$)[a-z][a-z0-9]*(?:_[a-z0-9]+)+$/;

const PORT = /^[1-9][0-9]{0,4}$/;
const MAX_PORT = 65_535;
/** Far above any fleet; a file this large is some other file. */
const MAX_MAP_CHARS = 4 * 1024 * 1024;

/** Upstreams of the configuration itself: behind them is no gateway. */
const RESERVED_UPSTREAMS = new Set(['oc_portal', 'oc_refusals']);

export function isUpstreamName(text: string): boolean {
  return UPSTREAM.test(text) && !RESERVED_UPSTREAMS.has(text);
}

/**
 * What is wrong with a backend, as a sentence that says what to write instead; undefined if nothing is.
 * Host names are refused: nginx would look them up for each connection, and fails without a `resolver`.
 */
export function backendProblem(text: string): string | undefined {
  if (isUpstreamName(text)) return undefined;
  const { host, port } = splitAddress(text);
  if (host === undefined || port === undefined) {
    return `${quote(text)} is not a backend; write ip:port, [ipv6]:port, or an upstream's name (with an underscore in it)`;
  }
  if (!PORT.test(port) || Number(port) > MAX_PORT) {
    return `${quote(text)} has no usable port; ports are 1 to ${MAX_PORT}, without leading zeros`;
  }
  return addressProblem(host);
}

/** `ip:port` or `[ipv6]:port` and nothing else: for addresses that are not a map's. */
export function isAddress(text: string): boolean {
  return !isUpstreamName(text) && backendProblem(text) === undefined;
}

function splitAddress(text: string): { host?: string; port?: string } {
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]+)):([^:]*)$/.exec(text);
  const host = match?.[1] === undefined ? match?.[2] : `[${match[1]}]`;
  const port = match?.[3];
  return host === undefined || port === undefined ? {} : { host, port };
}

function addressProblem(host: string): string | undefined {
  if (host.startsWith('[')) {
    const inner = host.slice(1, -1);
    if (!isIPv6(inner) || inner.includes('%')) return `${quote(host)} is not an IPv6 address`;
    if (/^[0:]+$/.test(inner))
      return `${quote(host)} is no address to connect to; name the host's own`;
    return undefined;
  }
  if (!isIPv4(host)) {
    return `${quote(host)} is not an IP address; nginx would need a resolver for a host name, so write its address`;
  }
  const first = Number(host.split('.')[0]);
  if (first === 0 || first >= 224)
    return `${quote(host)} is no address to connect to; name the host's own`;
  return undefined;
}

/** The file's text for these rows, in their order; or every problem, each naming its row. */
export function renderMap(
  rows: readonly MapRow[],
): { ok: true; text: string } | { ok: false; problems: readonly string[] } {
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const [index, { id, backend }] of rows.entries()) {
    const found = rowProblems({ id, backend }, seen);
    for (const problem of found) problems.push(`row ${index + 1}: ${problem}`);
  }
  if (problems.length > 0) return { ok: false, problems };
  if (rows.length === 0) return { ok: true, text: '# no instances\n' };
  return { ok: true, text: rows.map(({ id, backend }) => `${id}  ${backend};\n`).join('') };
}

/**
 * Reads a map. Stricter than nginx: one entry a line, no quotes, no `default`, `include`, `hostnames`
 * or patterns, nothing twice. Comments and empty lines are free. A map without entries is no problem here.
 */
export function parseMap(
  text: string,
  options: MapOptions = {},
):
  | { ok: true; backends: ReadonlyMap<string, string> }
  | { ok: false; problems: readonly MapProblem[] } {
  if (text.length > MAX_MAP_CHARS) {
    const message = `the file has ${text.length} characters, more than the ${MAX_MAP_CHARS} of any map; is it the right one?`;
    return { ok: false, problems: [{ line: 1, message }] };
  }
  const problems: MapProblem[] = [];
  const seen = new Set<string>();
  const backends = new Map<string, string>();
  for (const [index, line] of text.split('\n').entries()) {
    const complain = (message: string) => problems.push({ line: index + 1, message });
    const bare = line.replace(/^[ \t]*/, '').replace(/[ \t\r]*$/, '');
    if (bare === '' || bare.startsWith('#')) continue;
    const entry = /^([^\s;]+)[ \t]+([^\s;]+)[ \t]*;[ \t]*(?:#.*)?$/.exec(bare);
    const [, id, backend] = entry ?? [];
    if (id === undefined || backend === undefined) {
      complain(shapeProblem(bare));
      continue;
    }
    for (const problem of rowProblems({ id, backend }, seen, options)) complain(problem);
    backends.set(id, backend);
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, backends };
}

function rowProblems(row: MapRow, seen: Set<string>, options: MapOptions = {}): string[] {
  const problems: string[] = [];
  const { id, backend } = row;
  if (!isInstanceId(id)) problems.push(idProblem(id));
  else if (seen.has(id)) problems.push(`${quote(id)} stands twice; keep one of them`);
  seen.add(id);
  const wrong = backendProblem(backend);
  if (wrong !== undefined) problems.push(wrong);
  else if (isUpstreamName(backend) && options.upstreams && !options.upstreams.has(backend)) {
    problems.push(`${quote(backend)} is no upstream of this configuration; add it to upstreams`);
  }
  return problems;
}

const DIRECTIVES = new Set(['default', 'include', 'hostnames', 'volatile']);

function idProblem(id: string): string {
  if (DIRECTIVES.has(id.replace(/^\\/, ''))) {
    return `"${id.replace(/^\\/, '')}" is a word of nginx's that this file may not use; list every instance by its id`;
  }
  if (id.startsWith('~')) return `${quote(id)} is a pattern; list every instance by its id`;
  return `${quote(id)} is not an instance id; ids are "oc-" and then a-z, 0-9 and inner hyphens, at most 65 characters`;
}

function shapeProblem(line: string): string {
  if (/["'{}\\]/.test(line)) {
    return `quotes, braces and backslashes have no place here; write: <instance>  <backend>;`;
  }
  if (/^(?:hostnames|volatile)[ \t]*;/.test(line)) return idProblem(line.replace(/[ \t;].*$/, ''));
  const [before = '', ...after] = line.replace(/#.*$/, '').split(';');
  if (after.length === 0) return `the semicolon is missing: ${quote(before.trim())}`;
  if (after.join('').trim() !== '') return `more than one entry: ${quote(line)}; write one a line`;
  return `${quote(line)} is no entry; write: <instance>  <backend>;`;
}

/** A file that is not a map may hold anything: what of it reaches a terminal is short and printable. */
function quote(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return JSON.stringify(short.replace(/[^ -~…]/g, '?'));
}
