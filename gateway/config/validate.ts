/** Checks values against the schema and fills in its defaults. */

import type { ErrorObject, ValidateFunction } from 'ajv';
import { nearest } from '../../deploy/text/nearest.ts';
import { configValidator } from '../validators/compile.ts';
import { formats } from './formats.ts';
import { type ConfigProblem, error, joinPath, quote } from './problem.ts';
import { type Config, configSchema } from './schema.ts';
import { nodeAt, placeOf, type TreeNode, type TreePath, toPlain } from './tree.ts';
import { type Advice, memberSchema, type SchemaNode } from './vocabulary.ts';

export type Validated =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** The tree's configuration, or everything that is wrong with it. Unknown keys were judged before. */
export function validateTree(tree: TreeNode): Validated {
  compiled ??= configValidator();
  const value = toPlain(tree);
  if (compiled(value)) {
    const config: unknown = seal(value);
    // The copy is checked too, which is what gives it its type.
    if (compiled(config)) return { ok: true, config };
  }
  const seen = new Map<string, ConfigProblem>();
  for (const failure of compiled.errors ?? []) {
    const problem = describe(failure, tree);
    // One value can break several rules; the first one says enough.
    if (problem && !seen.has(problem.path)) seen.set(problem.path, problem);
  }
  return { ok: false, problems: [...seen.values()] };
}

// Compiling takes some milliseconds, which commands that read no configuration need not pay.
let compiled: ValidateFunction<Config> | undefined;

/** A deeply frozen copy, of objects without a prototype. */
function seal(value: unknown): unknown {
  if (Array.isArray(value)) return Object.freeze(value.map(seal));
  if (typeof value !== 'object' || value === null) return value;
  const sealed: object = Object.create(null);
  for (const [key, member] of Object.entries(value)) {
    // Defining, unlike assigning, makes `__proto__` a key like any other.
    Object.defineProperty(sealed, key, { value: seal(member), enumerable: true });
  }
  return Object.freeze(sealed);
}

function describe(failure: ErrorObject, tree: TreeNode): ConfigProblem | undefined {
  // A bad name is also reported by the rule inside `propertyNames`, which knows more.
  if (failure.keyword === 'propertyNames') return undefined;
  const holder = pathOf(failure.instancePath, tree);
  const { propertyName, params } = failure;
  const missing = failure.keyword === 'required' ? String(params['missingProperty']) : undefined;
  const key = propertyName ?? missing;
  const path = key === undefined ? holder : [...holder, key];
  const holderSchema = schemaAt(holder);
  const schema = propertyName === undefined ? holderSchema : (holderSchema.propertyNames ?? {});
  const found = foundAt(propertyName, schema, nodeAt(tree, holder));
  const advice =
    missing === undefined
      ? adviceOn(failure, schema, found)
      : missingAdvice(schemaAt([...holder, missing]));
  return error(placeOf(tree, path), path.reduce<string>(joinPath, ''), advice);
}

function pathOf(instancePath: string, tree: TreeNode): TreePath {
  const path: (string | number)[] = [];
  for (const part of instancePath.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(nodeAt(tree, path)?.kind === 'array' ? Number(key) : key);
  }
  return path;
}

function schemaAt(path: TreePath): SchemaNode {
  let schema: SchemaNode = configSchema;
  for (const key of path) {
    schema = (typeof key === 'number' ? schema.items : memberSchema(schema, key)) ?? {};
  }
  return schema;
}

interface Found {
  readonly value: unknown;
  /** How a message names the value: as the file has it, and not at all if it may be a secret. */
  readonly shown: string;
  /** The value came from a variable, so that nothing made from it may be shown either. */
  readonly substituted: boolean;
}

function foundAt(name: string | undefined, schema: SchemaNode, node?: TreeNode): Found {
  if (name !== undefined) return { value: name, shown: quote(name), substituted: false };
  return {
    value: node?.kind === 'scalar' ? node.value : undefined,
    shown: node && schema['x-secret'] !== true ? shownText(node) : 'the value',
    substituted: node?.kind === 'scalar' && node.written !== undefined,
  };
}

function shownText(node: TreeNode): string {
  if (node.kind === 'object') return 'an object';
  if (node.kind === 'array') return 'a list';
  if (node.written !== undefined) return quote(node.written);
  return typeof node.value === 'string' ? quote(node.value) : String(node.value);
}

function adviceOn({ keyword, message }: ErrorObject, schema: SchemaNode, found: Found): Advice {
  const { shown } = found;
  switch (keyword) {
    case 'type':
      return {
        message: `${shown} is not ${typeNames(schema)}`,
        cure: typeCure(schema, found.value),
      };
    case 'enum':
      return enumAdvice(schema, found);
    case 'minimum':
    case 'maximum':
      return { message: `${shown} is out of range`, cure: `write ${range(schema)}` };
    case 'minLength':
      return { message: 'the value is empty', cure: 'write a value, or remove the key' };
    case 'maxLength':
      return {
        message: `the value is longer than ${schema.maxLength} characters`,
        cure: 'shorten it',
      };
    case 'pattern':
      return { message: `${shown} is not valid here`, cure: `write ${schema['x-expects']}` };
    case 'format':
      return formatAdvice(schema, found);
    default:
      return { message: message ?? 'the value is not valid', cure: 'correct it' };
  }
}

function missingAdvice({ description }: SchemaNode): Advice {
  return {
    message: 'this key is missing',
    cure: description ? `add it: ${description}` : 'add it',
  };
}

function formatAdvice(schema: SchemaNode, { value, shown, substituted }: Found): Advice {
  const format = formats[schema.format ?? ''];
  const fault = typeof value === 'string' ? format?.check(value) : undefined;
  const cure = (!substituted && fault?.cure) || `write ${format?.expects ?? 'another value'}`;
  return { message: `${shown} ${fault?.is ?? 'is not valid here'}`, cure };
}

function enumAdvice(schema: SchemaNode, { value, shown }: Found): Advice {
  const allowed = (schema.enum ?? []).map(String);
  const word = typeof value === 'string' ? value : '';
  const refused = schema['x-refused'];
  const reason = refused && Object.hasOwn(refused, word) ? refused[word] : undefined;
  if (reason) return reason;
  const near = nearest(word, allowed);
  return {
    message: `${shown} is not one of ${allowed.join(', ')}`,
    cure: near ? `did you mean ${quote(near)}?` : 'write one of them',
  };
}

const NAMES: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

function typeNames({ type }: SchemaNode): string {
  const types = typeof type === 'string' ? [type] : (type ?? []);
  return types.map((name) => NAMES[name] ?? name).join(' or ');
}

function typeCure(schema: SchemaNode, value: unknown): string {
  const { type } = schema;
  if (type === 'integer' || type === 'number') {
    const unquoted = typeof value === 'string' && /^\d+$/.test(value) ? ', without quotes' : '';
    return `write ${range(schema)}${unquoted}`;
  }
  if (type === 'boolean') return 'write true or false, without quotes';
  if (type === 'array') return 'write a list: [ … ]';
  if (type === 'object') return 'write an object: { … }';
  return schema['x-expects'] ? `write ${schema['x-expects']}` : 'write it in quotes';
}

function range({ type, minimum, maximum }: SchemaNode): string {
  return `${type === 'integer' ? 'a whole number' : 'a number'} from ${minimum} to ${maximum}`;
}
