/** Judges the keys of a tree: those of the schema stay, those of OpenClaw are ignored, others are errors. */

import { nearest } from '../../deploy/text/nearest.ts';
import { moved, notServed } from './openclaw-keys.ts';
import { type ConfigProblem, error, type IgnoredKey, joinPath, quote } from './problem.ts';
import type { Member, TreeNode, TreeObject } from './tree.ts';
import { isOpenEnded, memberSchema, type SchemaNode } from './vocabulary.ts';

export interface KnownKeys {
  /** The tree without the keys that have no place in the schema. */
  readonly tree: TreeNode;
  readonly problems: readonly ConfigProblem[];
  /** Each path once; items of a list share one path (`models[].cost`). */
  readonly ignored: readonly IgnoredKey[];
}

export function keepKnownKeys(tree: TreeNode, schema: SchemaNode): KnownKeys {
  const walk: Walk = { problems: [], ignored: new Map() };
  const kept = keep(tree, schema, { path: '', listed: '', pattern: '' }, walk);
  return { tree: kept, problems: walk.problems, ignored: [...walk.ignored.values()] };
}

interface Walk {
  readonly problems: ConfigProblem[];
  readonly ignored: Map<string, IgnoredKey>;
}

/** One position in three spellings: exact, with `[]` for items, and with `*` for free names too. */
interface Position {
  readonly path: string;
  readonly listed: string;
  readonly pattern: string;
}

function keep(node: TreeNode, schema: SchemaNode, position: Position, walk: Walk): TreeNode {
  if (node.kind === 'object') return keepMembers(node, schema, position, walk);
  const { items } = schema;
  if (node.kind === 'array' && items) {
    const kept = node.items.map((item, index) => {
      const { path, listed, pattern } = position;
      const itemPosition = {
        path: `${path}[${index}]`,
        listed: `${listed}[]`,
        pattern: `${pattern}[]`,
      };
      return keep(item, items, itemPosition, walk);
    });
    return { ...node, items: kept };
  }
  return node;
}

function keepMembers(
  node: TreeObject,
  schema: SchemaNode,
  position: Position,
  walk: Walk,
): TreeObject {
  // An object where the schema wants something else: its type is the problem, not its keys.
  if (!schema.properties && !isOpenEnded(schema)) return node;
  const members = new Map<string, Member>();
  for (const [key, member] of node.members) {
    const below = memberSchema(schema, key);
    const next = positionOf(position, key, schema);
    if (below) members.set(key, { ...member, value: keep(member.value, below, next, walk) });
    else if (notServed[position.pattern]?.includes(key)) {
      if (!walk.ignored.has(next.listed)) {
        walk.ignored.set(next.listed, { place: member.at, path: next.listed });
      }
    } else walk.problems.push(unknownKey(member, key, next, siblings(schema, position)));
  }
  return { ...node, members };
}

function positionOf(parent: Position, key: string, schema: SchemaNode): Position {
  const named = schema.properties !== undefined && Object.hasOwn(schema.properties, key);
  return {
    path: joinPath(parent.path, key),
    listed: joinPath(parent.listed, key),
    pattern: joinPath(parent.pattern, named || !isOpenEnded(schema) ? key : '*'),
  };
}

function siblings(schema: SchemaNode, { pattern }: Position): { served: string[]; all: string[] } {
  const served = Object.keys(schema.properties ?? {});
  return { served, all: [...served, ...(notServed[pattern] ?? [])] };
}

function unknownKey(
  member: Member,
  key: string,
  { path }: Position,
  { served, all }: { served: readonly string[]; all: readonly string[] },
): ConfigProblem {
  const message = `unknown key ${quote(key)}`;
  const advice = Object.hasOwn(moved, path) ? moved[path] : undefined;
  if (advice) return error(member.at, path, { message, cure: advice });
  if (path === `env.${key}` && member.value.kind === 'scalar') {
    return error(member.at, path, { message, cure: 'move it into env.vars' });
  }
  const near = nearest(key, all);
  const cure = near ? `did you mean ${quote(near)}?` : `remove it; keys here: ${served.join(', ')}`;
  return error(member.at, path, { message, cure });
}
