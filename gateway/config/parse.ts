/** JSON5 text to a tree with locations. Linear in the text; any text gives a tree or problems, never a throw. */

import {
  type AnyNode,
  type MemberNode,
  parse as parseJson5,
  type ValueNode,
} from '@humanwhocodes/momoa';
import { findBrokenText, positionAt } from './parse-guard.ts';
import { type ConfigProblem, error, joinPath, type Place, quote, WHOLE_FILE } from './problem.ts';
import type { Member, TreeNode, TreeObject, TreeScalar } from './tree.ts';

export interface Parsed {
  /** Absent if the text cannot be read at all. */
  readonly tree?: TreeNode;
  readonly problems: readonly ConfigProblem[];
}

/** `file` is the name that problems show. A key that occurs twice in one object is an error. */
export function parseText(text: string, file: string): Parsed {
  const broken = findBrokenText(text);
  if (broken) {
    const { line, column, ...advice } = broken;
    return { problems: [error({ file, line, column }, WHOLE_FILE, advice)] };
  }
  try {
    const problems: ConfigProblem[] = [];
    const { body } = parseJson5(text, { mode: 'json5' });
    return { tree: toTree(body, { file, problems }, ''), problems };
  } catch (cause) {
    return { problems: [syntaxError(cause, text, file)] };
  }
}

interface Context {
  readonly file: string;
  readonly problems: ConfigProblem[];
}

// Recursion is safe: parse-guard.ts has bounded the depth.
function toTree(node: ValueNode, context: Context, path: string): TreeNode {
  const at = placeOfNode(node, context.file);
  if (node.type === 'Object') return objectTree(node.members, at, context, path);
  if (node.type === 'Array') {
    const items = node.elements.map((element, index) =>
      toTree(element.value, context, joinPath(path, index)),
    );
    return { kind: 'array', at, items };
  }
  return { kind: 'scalar', at, value: scalarValue(node) };
}

function scalarValue(node: Exclude<ValueNode, { type: 'Object' | 'Array' }>): TreeScalar['value'] {
  if (node.type === 'Null') return null;
  if (node.type === 'NaN') return Number.NaN;
  if (node.type === 'Infinity') return node.sign === '-' ? -Infinity : Infinity;
  return node.value;
}

function objectTree(
  nodes: readonly MemberNode[],
  at: Place,
  context: Context,
  parentPath: string,
): TreeObject {
  const members = new Map<string, Member>();
  for (const { name, value } of nodes) {
    const key = name.type === 'Identifier' ? name.name : name.value;
    const path = joinPath(parentPath, key);
    const keyAt = placeOfNode(name, context.file);
    const earlier = members.get(key);
    if (earlier) {
      context.problems.push(
        error(keyAt, path, {
          message: `the key ${quote(key)} stands here a second time, first on line ${earlier.at.line}`,
          cure: 'keep one of the two',
        }),
      );
    }
    members.set(key, { at: keyAt, value: toTree(value, context, path) });
  }
  return { kind: 'object', at, members };
}

function placeOfNode(node: AnyNode, file: string): Place {
  const { line, column } = node.loc.start;
  return { file, line, column };
}

function syntaxError(cause: unknown, text: string, file: string): ConfigProblem {
  const { line, column } = positionOf(cause, text);
  return error({ file, line, column }, WHOLE_FILE, {
    message: `this is not JSON5: ${reasonOf(cause)}`,
    cure: 'look here and just before for a missing quote, comma, colon or bracket',
  });
}

// The parser's errors carry their position, except at the end of the text; their class is not exported.
function positionOf(cause: unknown, text: string): { line: number; column: number } {
  if (cause instanceof Error && !endsTooEarly(cause) && 'line' in cause && 'column' in cause) {
    const { line, column } = cause;
    if (typeof line === 'number' && typeof column === 'number') return { line, column };
  }
  return positionAt(text, text.trimEnd().length);
}

function endsTooEarly(cause: Error): boolean {
  return cause.message.startsWith('Unexpected end');
}

// Only the kind of token is repeated, so that an unquoted secret does not reach the output.
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'the text cannot be read';
  if (endsTooEarly(cause)) return 'the text ends too early';
  const { message } = cause;
  const char = /^Unexpected character '(.)'/su.exec(message)?.[1];
  if (char) return `unexpected character ${quote(char)}`;
  const token = /^Unexpected token (\w+)/.exec(message)?.[1];
  if (token) return `unexpected ${tokenNames[token] ?? 'text'}`;
  return 'the text cannot be read';
}

const tokenNames: Readonly<Record<string, string>> = {
  Identifier: 'word without quotes',
  String: 'string',
  Number: 'number',
  Boolean: 'true or false',
  Null: 'null',
  Colon: '":"',
  Comma: '","',
  LBrace: '"{"',
  RBrace: '"}"',
  LBracket: '"["',
  RBracket: '"]"',
};
