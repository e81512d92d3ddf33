/** A configuration as written: values that know where they stand, so that every message can say it. */

import type { Place } from './problem.ts';

export interface TreeObject {
  readonly kind: 'object';
  readonly at: Place;
  readonly members: ReadonlyMap<string, Member>;
}

export interface Member {
  /** Where the key stands. */
  readonly at: Place;
  readonly value: TreeNode;
}

interface TreeArray {
  readonly kind: 'array';
  readonly at: Place;
  readonly items: readonly TreeNode[];
}

export interface TreeScalar {
  readonly kind: 'scalar';
  readonly at: Place;
  readonly value: string | number | boolean | null;
  /** The text before substitution, where `${NAME}` was replaced: what a message may show. */
  readonly written?: string;
}

export type TreeNode = TreeObject | TreeArray | TreeScalar;

export type TreePath = readonly (string | number)[];

/** The node at a path, or undefined. */
export function nodeAt(root: TreeNode, path: TreePath): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const key of path) node = node && childOf(node, key);
  return node;
}

/** Where the key at a path stands; where its closest ancestor stands if it is absent. */
export function placeOf(root: TreeNode, path: TreePath): Place {
  let node = root;
  let place = root.at;
  for (const key of path) {
    const next = childOf(node, key);
    if (!next) break;
    place = (node.kind === 'object' && node.members.get(String(key))?.at) || next.at;
    node = next;
  }
  return place;
}

/** Members of the object at a path; none if it is absent or something else. */
export function membersAt(root: TreeNode, path: TreePath): ReadonlyMap<string, Member> {
  const node = nodeAt(root, path);
  return node?.kind === 'object' ? node.members : new Map();
}

/** Items of the array at a path; none if it is absent or something else. */
export function itemsAt(root: TreeNode, path: TreePath): readonly TreeNode[] {
  const node = nodeAt(root, path);
  return node?.kind === 'array' ? node.items : [];
}

/** The string at a path; undefined if it is absent or something else. */
export function textAt(root: TreeNode, path: TreePath): string | undefined {
  const node = nodeAt(root, path);
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
}

/** The tree as if nothing stood in it but these sections and what they lie in. */
export function keepSections(root: TreeNode, sections: readonly TreePath[]): TreeNode {
  if (root.kind !== 'object' || sections.some((path) => path.length === 0)) return root;
  const members = new Map<string, Member>();
  for (const [key, { at, value }] of root.members) {
    const below = sections.filter(([first]) => first === key).map((path) => path.slice(1));
    if (below.length > 0) members.set(key, { at, value: keepSections(value, below) });
  }
  return { ...root, members };
}

/** The plain value. `Object.fromEntries` defines members, so that a key `__proto__` is only a key. */
export function toPlain(node: TreeNode): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'array') return node.items.map(toPlain);
  return Object.fromEntries([...node.members].map(([key, member]) => [key, toPlain(member.value)]));
}

function childOf(node: TreeNode, key: string | number): TreeNode | undefined {
  if (node.kind === 'object') return node.members.get(String(key))?.value;
  if (node.kind === 'array') return node.items[Number(key)];
  return undefined;
}
