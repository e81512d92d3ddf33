/**
 * What a property of the configuration's schema can say: JSON Schema (draft 7), plus a few keywords
 * of our own that validation, error messages, `config schema` and the reference page read.
 */

import type { ExtendedJSONSchema } from 'json-schema-to-ts';

/** A sentence on what is wrong, and one on what to do about it. */
export interface Advice {
  readonly message: string;
  readonly cure: string;
}

/** Our own keywords. Editors ignore keywords that they do not know. */
export type Keywords = {
  /** A key that OpenClaw does not have. */
  'x-oc-gateway': true;
  /** An edit takes effect at the next start only. */
  'x-restart': true;
  /** The value never appears in a message, and may be a reference to the environment. */
  'x-secret': true;
  /** What the names of an open-ended object stand for, e.g. `provider`. */
  'x-key': string;
  /** What `pattern` asks for, in words: completes "must be …". */
  'x-expects': string;
  /** What happens when the key is absent, for keys without a fixed default. */
  'x-unset': string;
  /** Values that OpenClaw knows and this gateway refuses, each with its reason. */
  'x-refused': Readonly<Record<string, Advice>>;
};

/** Write schemas `as const satisfies ConfigSchema`. */
export type ConfigSchema = ExtendedJSONSchema<Keywords>;

export const keywords = [
  'x-oc-gateway',
  'x-restart',
  'x-secret',
  'x-key',
  'x-expects',
  'x-unset',
  'x-refused',
] as const satisfies readonly (keyof Keywords)[];

/** The part of a schema that our own code walks over; every `ConfigSchema` of this project is one. */
export interface SchemaNode extends Readonly<Partial<Keywords>> {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: boolean | SchemaNode;
  readonly propertyNames?: SchemaNode;
  readonly items?: SchemaNode;
}

/** The schema of one member of an object, whether named or open-ended; undefined if there is none. */
export function memberSchema(schema: SchemaNode, key: string): SchemaNode | undefined {
  const { properties, additionalProperties } = schema;
  if (properties && Object.hasOwn(properties, key)) return properties[key];
  return typeof additionalProperties === 'object' ? additionalProperties : undefined;
}

/** Whether the names of an object's members are the operator's to choose. */
export function isOpenEnded(schema: SchemaNode): boolean {
  return typeof schema.additionalProperties === 'object';
}
