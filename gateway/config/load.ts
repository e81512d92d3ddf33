/** From a file, or from none, to a configuration: everything is found and reported at once. */

import { lstatSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { judgeConfig } from './advice.ts';
import { builtInConfig } from './built-in.ts';
import { readConfigTree } from './include.ts';
import { keepKnownKeys } from './keys.ts';
import type { ConfigProblem, IgnoredKey } from './problem.ts';
import { findBrokenReferences } from './references.ts';
import { type Config, configSchema } from './schema.ts';
import { expandHome, stateDirectory } from './settings.ts';
import { type Environment, substitute } from './substitute.ts';
import { keepSections, type TreeNode, type TreePath } from './tree.ts';
import { type Validated, validateTree } from './validate.ts';

export type ConfigSource =
  | {
      readonly kind: 'file';
      /** As it was named. */
      readonly path: string;
      /** Absolute paths of it and of all that it asked for, found or not. */
      readonly files: readonly string[];
      /** What the files looked like just before they were read (stamp.ts). */
      readonly stamp: string;
    }
  | { readonly kind: 'built-in'; readonly reason: string };

interface Report {
  readonly source: ConfigSource;
  readonly warnings: readonly ConfigProblem[];
  readonly ignored: readonly IgnoredKey[];
}

export interface LoadedConfig extends Report {
  readonly ok: true;
  readonly config: Config;
}

export interface FailedConfig extends Report {
  readonly ok: false;
  /** At least one. */
  readonly errors: readonly ConfigProblem[];
}

export type LoadResult = LoadedConfig | FailedConfig;

export interface LoadOptions {
  /** The file named on the command line. */
  readonly path?: string;
  readonly env: Environment;
  /**
   * Only these are read and judged, as if nothing else stood in the file: for commands that need no more, and whose
   * environment need not hold the secrets of the rest.
   */
  readonly sections?: readonly TreePath[];
}

/**
 * Looks in this order: `path`, OPENCLAW_CONFIG_PATH, `openclaw.json` in the state directory, the built-in
 * demonstration. A file that is named and missing is an error. Never throws for what a file holds.
 */
export function loadConfig({ path, env, sections }: LoadOptions): LoadResult {
  const file = findFile(path, env);
  if (file === undefined) {
    const { tree, problems } = builtInConfig(env);
    const reason = `no configuration was named and there is no ${defaultFile(env)}`;
    return judge(tree, problems, { kind: 'built-in', reason }, env, sections);
  }
  const { tree, problems, files, stamp } = readConfigTree(file, includeRoots(env));
  const source: ConfigSource = { kind: 'file', path: file, files, stamp };
  if (!tree) return { ok: false, source, errors: problems, warnings: [], ignored: [] };
  return judge(tree, problems, source, env, sections);
}

function judge(
  tree: TreeNode,
  earlier: readonly ConfigProblem[],
  source: ConfigSource,
  env: Environment,
  sections?: readonly TreePath[],
): LoadResult {
  const known = keepKnownKeys(sections ? keepSections(tree, sections) : tree, configSchema);
  // Keys that are not served are gone by now: their variables need not be set.
  const filled = substitute(known.tree, configSchema, env, tree);
  const validated = validateTree(filled.tree);
  const problems = [...earlier, ...known.problems, ...filled.problems];
  // One key, one cause: what was not filled in is wrong for that reason alone.
  const named = new Set(filled.problems.filter(isError).map(({ path }) => path));
  const values = validated.ok ? [] : validated.problems;
  // What keys say about each other can be judged of the whole only.
  const together = sections ? [] : judgeTogether(validated, filled.tree);
  for (const group of [values, ...together]) {
    const fresh = group.filter(({ path }) => !named.has(path));
    for (const { path } of fresh) named.add(path);
    problems.push(...fresh);
  }
  const sorted = inReadingOrder(problems, source);
  const errors = sorted.filter(isError);
  const warnings = sorted.filter((problem) => !isError(problem));
  const report = { source, warnings, ignored: known.ignored };
  if (validated.ok && errors.length === 0) return { ok: true, config: validated.config, ...report };
  return { ok: false, errors, ...report };
}

function judgeTogether(
  validated: Validated,
  tree: TreeNode,
): readonly (readonly ConfigProblem[])[] {
  return [validated.ok ? judgeConfig(validated.config, tree) : [], findBrokenReferences(tree)];
}

function isError({ severity }: ConfigProblem): boolean {
  return severity === 'error';
}

function findFile(path: string | undefined, env: Environment): string | undefined {
  if (path !== undefined) return path;
  const named = env['OPENCLAW_CONFIG_PATH'];
  if (named) return expandHome(named, env);
  const file = defaultFile(env);
  return isThere(file) ? file : undefined;
}

/** Also true of what cannot be read: the demonstration must not stand in for a file with wrong rights. */
function isThere(file: string): boolean {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

function defaultFile(env: Environment): string {
  return join(stateDirectory(env), 'openclaw.json');
}

/** OPENCLAW_INCLUDE_ROOTS: a list of absolute directories, `:` between them (`;` on Windows). */
function includeRoots(env: Environment): readonly string[] {
  return (env['OPENCLAW_INCLUDE_ROOTS'] ?? '')
    .split(delimiter)
    .map((root) => expandHome(root.trim(), env))
    .filter(isAbsolute);
}

/** The main file first, then the others as they were read; within a file by line and column. */
function inReadingOrder(
  problems: readonly ConfigProblem[],
  source: ConfigSource,
): readonly ConfigProblem[] {
  const files = source.kind === 'file' ? source.files : [];
  const rank = ({ place }: ConfigProblem) => (place ? files.indexOf(resolve(place.file)) : -1);
  return problems.toSorted(
    (a, b) =>
      rank(a) - rank(b) ||
      (a.place?.line ?? 0) - (b.place?.line ?? 0) ||
      (a.place?.column ?? 0) - (b.place?.column ?? 0),
  );
}
