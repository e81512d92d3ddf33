/**
 * `$include`, as OpenClaw has it: in any object, a path or a list of paths, relative to the file that
 * includes. Contents merge in order: objects deeply, lists end to end, other values by the later one;
 * keys beside `$include` come last. Files must lie below the main file's directory or a directory in
 * OPENCLAW_INCLUDE_ROOTS, symbolic links followed.
 */

import { readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { parseText } from './parse.ts';
import { MAX_LENGTH } from './parse-guard.ts';
import { type ConfigProblem, error, joinPath, type Place, quote, WHOLE_FILE } from './problem.ts';
import { joinStamps, stampSync } from './stamp.ts';
import type { Member, TreeNode, TreeObject } from './tree.ts';

/** Files inside files inside files: OpenClaw's bound. */
const MAX_INCLUDE_DEPTH = 10;

/** Files read for one configuration: keeps files that include each other many times from exploding. */
const MAX_FILES = 256;

const INCLUDE = '$include';

export interface ReadTree {
  /** Absent if the main file cannot be read as JSON5. */
  readonly tree?: TreeNode;
  readonly problems: readonly ConfigProblem[];
  /** Absolute paths of the main file and of all that it asked for, found or not. */
  readonly files: readonly string[];
  /** What these files looked like just before they were read (stamp.ts). */
  readonly stamp: string;
}

/** Reads a file with everything that it includes. `roots`: further directories that includes may lie in. */
export function readConfigTree(file: string, roots: readonly string[]): ReadTree {
  const home = realPath(dirname(resolve(file)));
  const reader: Reader = {
    problems: [],
    files: new Map(),
    reads: 0,
    roots: [home, ...roots.map(realPath)],
  };
  const tree = readTree(file, [resolve(file)], undefined, reader);
  return {
    ...(tree && { tree }),
    problems: reader.problems,
    files: [...reader.files.keys()],
    stamp: joinStamps(reader.files.values()),
  };
}

interface Reader {
  readonly problems: ConfigProblem[];
  /** Absolute path → stamp from before the first reading. */
  readonly files: Map<string, string>;
  /** Files read so far, repeated ones counted each time. */
  reads: number;
  readonly roots: readonly string[];
}

/** `chain`: absolute paths from the main file to this one. `from`: where the include stands. */
function readTree(
  file: string,
  chain: readonly string[],
  from: { place: Place; path: string } | undefined,
  reader: Reader,
): TreeNode | undefined {
  const absolute = resolve(file);
  if (!reader.files.has(absolute)) reader.files.set(absolute, stampSync(absolute));
  const text = readText(absolute);
  if (typeof text !== 'string') {
    const place = from?.place ?? { file, line: 1, column: 1 };
    const message = from ? `cannot include ${quote(file)}: ${text.reason}` : text.reason;
    reader.problems.push(error(place, from?.path ?? WHOLE_FILE, { message, cure: text.cure }));
    return undefined;
  }
  const parsed = parseText(text, file);
  reader.problems.push(...parsed.problems);
  return parsed.tree && expand(parsed.tree, '', { file, chain }, reader);
}

interface Origin {
  readonly file: string;
  readonly chain: readonly string[];
}

// Recursion is bounded: 64 levels per file (parse-guard.ts), 10 files deep.
function expand(
  node: TreeNode,
  path: string,
  origin: Origin,
  reader: Reader,
): TreeNode | undefined {
  if (node.kind === 'scalar') return node;
  if (node.kind === 'array') {
    const items = node.items.map((item, i) => expand(item, joinPath(path, i), origin, reader));
    return { ...node, items: items.filter((item) => item !== undefined) };
  }
  const members = new Map<string, Member>();
  for (const [key, member] of node.members) {
    if (key === INCLUDE) continue;
    const value = expand(member.value, joinPath(path, key), origin, reader);
    if (value) members.set(key, { ...member, value });
  }
  const own: TreeObject = { ...node, members };
  const include = node.members.get(INCLUDE);
  return include ? mergeIncluded(include, own, joinPath(path, INCLUDE), origin, reader) : own;
}

function mergeIncluded(
  include: Member,
  own: TreeObject,
  path: string,
  origin: Origin,
  reader: Reader,
): TreeNode | undefined {
  const { value } = include;
  const wanted = value.kind === 'array' ? value.items : [value];
  let merged: TreeNode | undefined;
  for (const item of wanted) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string' || item.value === '') {
      reader.problems.push(
        error(item.at, path, {
          message: 'must be a path',
          cure: 'write a path or a list of paths',
        }),
      );
      continue;
    }
    const content = includeFile(item.value, item.at, path, origin, reader);
    if (content) merged = merged ? merge(merged, content) : content;
  }
  if (!merged) return own;
  if (own.members.size === 0) return merged;
  if (merged.kind === 'object') return merge(merged, own);
  reader.problems.push(
    error(include.at, path, {
      message: 'keys stand beside an include that is no object',
      cure: 'remove the keys, or include a file that holds an object',
    }),
  );
  return own;
}

function includeFile(
  wanted: string,
  place: Place,
  path: string,
  origin: Origin,
  reader: Reader,
): TreeNode | undefined {
  const file = isAbsolute(wanted) ? wanted : join(dirname(origin.file), wanted);
  const absolute = resolve(file);
  const refused = refuse(absolute, origin, reader);
  if (refused) {
    reader.problems.push(error(place, path, refused));
    return undefined;
  }
  reader.reads += 1;
  return readTree(file, [...origin.chain, absolute], { place, path }, reader);
}

function refuse(absolute: string, { chain }: Origin, reader: Reader) {
  if (chain.includes(absolute)) {
    const names = [...chain, absolute].map((file) => relative(dirname(chain[0] ?? ''), file));
    return {
      message: `files include each other in a circle: ${names.join(' -> ')}`,
      cure: 'remove one of these includes',
    };
  }
  if (chain.length > MAX_INCLUDE_DEPTH) {
    return {
      message: `includes are nested more than ${MAX_INCLUDE_DEPTH} deep here`,
      cure: 'include the file from further up',
    };
  }
  if (reader.reads >= MAX_FILES) {
    return {
      message: `more than ${MAX_FILES} files are included`,
      cure: 'put them together into fewer files',
    };
  }
  if (!reader.roots.some((root) => isInside(root, realPath(absolute)))) {
    return {
      message: "the file lies outside of the configuration's directory",
      cure: 'move it there, or name its directory in OPENCLAW_INCLUDE_ROOTS',
    };
  }
  return undefined;
}

/** The second wins; neither argument is changed. */
function merge(first: TreeNode, second: TreeNode): TreeNode {
  if (first.kind === 'array' && second.kind === 'array') {
    return { ...second, items: [...first.items, ...second.items] };
  }
  if (first.kind !== 'object' || second.kind !== 'object') return second;
  const members = new Map(first.members);
  for (const [key, member] of second.members) {
    const before = members.get(key);
    members.set(key, before ? { ...member, value: merge(before.value, member.value) } : member);
  }
  return { ...second, members };
}

function readText(file: string): string | { reason: string; cure: string } {
  try {
    const status = statSync(file);
    // A pipe or a device could block the process for ever.
    if (!status.isFile()) return { reason: 'it is not a file', cure: 'name a file' };
    if (status.size > 4 * MAX_LENGTH) return { reason: 'it is too large', cure: 'split it' };
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return { reason: 'there is no such file', cure: 'create it, or correct the name' };
    }
    if (code === 'EACCES' || code === 'EPERM') {
      return { reason: 'permission denied', cure: "let the gateway's user read it" };
    }
    return { reason: 'it cannot be read', cure: 'look at its name and at the file system' };
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // It does not exist, which the attempt to read it will say; the directory above may be a link.
    const above = dirname(path);
    return above === path ? path : join(realPath(above), basename(path));
  }
}

function isInside(directory: string, path: string): boolean {
  const way = relative(directory, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
