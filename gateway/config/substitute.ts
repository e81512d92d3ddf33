/**
 * Replaces `${NAME}` in string values and references to the environment (`{ source: "env", … }`),
 * as OpenClaw does: names are upper case, `$${NAME}` stands for the text `${NAME}`, a variable that is
 * unset or empty is an error. The process's environment comes before `env.vars` of the file.
 */

import { type ConfigProblem, error, joinPath, type Place, quote, warning } from './problem.ts';
import {
  type Member,
  membersAt,
  type TreeNode,
  type TreeObject,
  type TreeScalar,
  textAt,
} from './tree.ts';
import { type Advice, memberSchema, type SchemaNode } from './vocabulary.ts';

/** Environment variables; what is undefined or empty counts as unset. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Substituted {
  readonly tree: TreeNode;
  /** Errors and warnings. Values of variables never appear in them. */
  readonly problems: readonly ConfigProblem[];
}

/**
 * `env.vars` themselves may use the process's environment, not each other. `whole`: where they stand, if `tree` is
 * only a part.
 */
export function substitute(
  tree: TreeNode,
  schema: SchemaNode,
  env: Environment,
  whole = tree,
): Substituted {
  const problems: ConfigProblem[] = [];
  const lookup = lookupIn(env, fileVariables(whole, env));
  return { tree: replace(tree, schema, { at: tree.at, path: '' }, { lookup, problems }), problems };
}

type Lookup = (name: string) => string | undefined;

interface Context {
  readonly lookup: Lookup;
  readonly problems: ConfigProblem[];
}

/** What a problem of a value names: where its key stands, and its path. */
interface Spot {
  readonly at: Place;
  readonly path: string;
}

function lookupIn(env: Environment, file: ReadonlyMap<string, string>): Lookup {
  // `hasOwn` keeps names such as `__proto__`, which the pattern allows, from finding something.
  return (name) => (Object.hasOwn(env, name) && env[name]) || file.get(name) || undefined;
}

function fileVariables(tree: TreeNode, env: Environment): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  // The problems of these values are found when the whole tree is walked.
  const context = { lookup: lookupIn(env, new Map()), problems: [] };
  for (const [name, { at, value }] of membersAt(tree, ['env', 'vars'])) {
    if (value.kind !== 'scalar' || typeof value.value !== 'string') continue;
    variables.set(name, fill(value.value, { at, path: name }, context));
  }
  return variables;
}

function replace(
  node: TreeNode,
  schema: SchemaNode | undefined,
  spot: Spot,
  context: Context,
): TreeNode {
  const secret = schema?.['x-secret'] === true;
  if (node.kind === 'scalar') return replaceText(node, secret, spot, context);
  if (node.kind === 'array') {
    const items = node.items.map((item, index) => {
      const itemSpot = { at: item.at, path: joinPath(spot.path, index) };
      return replace(item, schema?.items, itemSpot, context);
    });
    return { ...node, items };
  }
  if (secret) return resolveReference(node, spot, context);
  const members = new Map<string, Member>();
  for (const [key, { at, value }] of node.members) {
    const below = schema && memberSchema(schema, key);
    const memberSpot = { at, path: joinPath(spot.path, key) };
    members.set(key, { at, value: replace(value, below, memberSpot, context) });
  }
  return { ...node, members };
}

function replaceText(node: TreeScalar, secret: boolean, spot: Spot, context: Context): TreeScalar {
  if (typeof node.value !== 'string' || !node.value.includes('${')) return node;
  const value = fill(node.value, spot, context);
  if (secret && /\$\{[a-z]\w*\}/i.test(node.value.replaceAll(PLACEHOLDER, ''))) {
    context.problems.push(
      warning(spot.at, spot.path, {
        message: 'a "${…}" is taken as it stands: only upper-case names are variables',
        cure: 'write the name with A-Z, 0-9 and "_"',
      }),
    );
  }
  return value === node.value ? node : { ...node, value, written: node.value };
}

// Linear: a name never contains the characters that start or end a placeholder.
const PLACEHOLDER = /\$?\$\{([A-Z_][A-Z0-9_]*)\}/g;

function fill(text: string, { at, path }: Spot, { lookup, problems }: Context): string {
  const missing = new Set<string>();
  const filled = text.replaceAll(PLACEHOLDER, (placeholder: string, name: string) => {
    if (placeholder.startsWith('$$')) return placeholder.slice(1);
    const value = lookup(name);
    if (value === undefined) missing.add(name);
    return value ?? placeholder;
  });
  for (const name of missing) problems.push(error(at, path, unsetVariable(name)));
  return filled;
}

/** OpenClaw's `{ source: "env", provider: "default", id: "NAME" }` in place of a secret. */
function resolveReference(node: TreeObject, { at, path }: Spot, context: Context): TreeScalar {
  const resolved = readReference(node, context.lookup);
  if (typeof resolved === 'string') {
    return { kind: 'scalar', at: node.at, value: resolved, written: '(secret reference)' };
  }
  context.problems.push(error(at, path, resolved));
  // Stands in for the secret; the problem keeps it from being used.
  return { kind: 'scalar', at: node.at, value: 'unresolved' };
}

function readReference(node: TreeObject, lookup: Lookup): string | Advice {
  const source = textAt(node, ['source']);
  if (source !== 'env') {
    const found = source === undefined ? 'without "source"' : `with source ${quote(source)}`;
    return {
      message: `a secret reference ${found} is not served`,
      cure: 'write { source: "env", provider: "default", id: "NAME" } or "${NAME}"',
    };
  }
  const name = textAt(node, ['id']);
  if (name) return lookup(name) ?? unsetVariable(name.slice(0, LONGEST_NAME));
  return {
    message: 'the secret reference has no "id"',
    cure: 'name the environment variable in id',
  };
}

const LONGEST_NAME = 128;

function unsetVariable(name: string): Advice {
  return {
    message: `the environment variable ${name} is not set or empty`,
    cure: `set ${name} for the gateway's process, or give it a value in env.vars`,
  };
}
