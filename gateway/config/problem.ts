/** Problems of a configuration, and the one line in which each of them is printed. */

import type { Advice } from './vocabulary.ts';

/** A position in a file; line and column count from 1, the column in UTF-16 units. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface ConfigProblem extends Advice {
  /** An error keeps the configuration from loading; a warning does not. */
  readonly severity: 'error' | 'warning';
  /** Absent when the problem is in an environment variable or a flag, which `path` then names. */
  readonly place?: Place;
  /** Key such as `gateway.trustedProxies[1]`; `(file)` when it concerns the file as a whole. */
  readonly path: string;
}

/** A key of OpenClaw that loads and has no effect here. */
export interface IgnoredKey {
  readonly place: Place;
  readonly path: string;
}

/** The path of problems that no single key has. */
export const WHOLE_FILE = '(file)';

export function error(place: Place | undefined, path: string, advice: Advice): ConfigProblem {
  return problem('error', place, path, advice);
}

export function warning(place: Place | undefined, path: string, advice: Advice): ConfigProblem {
  return problem('warning', place, path, advice);
}

/**
 * `file:line:column: path: what is wrong; what to do`, on one line whatever the file holds. Without
 * a place it starts at the path, which then is a variable or a flag.
 */
export function formatProblem({ severity, place, path, message, cure }: ConfigProblem): string {
  const what = severity === 'warning' ? `warning: ${message}` : message;
  // The root has no path of its own.
  const at = path === '' ? '(file)' : path;
  return oneLine(`${place ? `${formatPlace(place)}: ` : ''}${at}: ${what}; ${cure}`);
}

/** The same form for a key that is ignored. */
export function formatIgnored({ place, path }: IgnoredKey): string {
  return oneLine(
    `${formatPlace(place)}: ${path}: not served by this gateway, so it has no effect; leave it or remove it`,
  );
}

function formatPlace({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`;
}

/** Text as the file has it, quoted and cut to a length that fits a line. */
export function quote(text: string): string {
  const LONGEST = 60;
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return JSON.stringify(cut.toWellFormed());
}

/** `gateway.port`, `agents.entries["a b"]`, `models[0]`: how a key is named in messages. */
export function joinPath(parent: string, key: string | number): string {
  if (typeof key === 'number') return `${parent}[${key}]`;
  const plain = /^[\w$-]{1,64}$/.test(key) || key === '*';
  if (!plain) return `${parent}[${quote(key)}]`;
  return parent === '' ? key : `${parent}.${key}`;
}

function problem(
  severity: ConfigProblem['severity'],
  place: Place | undefined,
  path: string,
  { message, cure }: Advice,
): ConfigProblem {
  return { severity, ...(place && { place }), path, message, cure };
}

// A file name or a key may hold a line break, which would let it forge a second line of output.
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (char) => JSON.stringify(char).slice(1, -1));
}
