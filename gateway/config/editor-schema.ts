/** The JSON Schema that editors load: the same schema, plus what is allowed in a file but gone by validation. */

import { notServed } from './openclaw-keys.ts';
import { joinPath } from './problem.ts';
import { configSchema } from './schema.ts';
import type { SchemaNode } from './vocabulary.ts';

/** JSON Schema, draft 7, of openclaw.json. */
export function editorSchema(): object {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'openclaw.json as OC Gateway serves it',
    ...forEditors(configSchema, ''),
  };
}

const INCLUDE = {
  type: ['string', 'array'],
  items: { type: 'string' },
  description: 'Files whose content is merged in here, relative to this file.',
};

/** What may stand in place of a secret. */
const REFERENCE = {
  type: 'object',
  description: 'A reference to a variable of the environment.',
  additionalProperties: false,
  required: ['source', 'id'],
  properties: {
    source: { enum: ['env'] },
    provider: { type: 'string' },
    id: { type: 'string', description: 'Name of the variable.' },
  },
};

/** `pattern`: the object's path as openclaw-keys.ts spells it. */
function forEditors(schema: SchemaNode, pattern: string): object {
  const { properties, additionalProperties, propertyNames, items, format: _, ...rest } = schema;
  // A `${NAME}` stands where a pattern wants something else until it is filled in.
  const { pattern: wanted, ...plain } = rest;
  const own = wanted === undefined ? plain : { ...plain, pattern: `${wanted}|\\$\\{` };
  if (schema['x-secret']) return { anyOf: [own, REFERENCE], description: schema.description };
  return {
    ...own,
    ...(items && { items: forEditors(items, `${pattern}[]`) }),
    ...(propertyNames?.pattern && {
      propertyNames: { pattern: `${propertyNames.pattern}|^\\$include$` },
    }),
    ...(isObject(schema) && {
      properties: { ...members(properties ?? {}, pattern), $include: INCLUDE },
      additionalProperties:
        typeof additionalProperties === 'object'
          ? forEditors(additionalProperties, joinPath(pattern, '*'))
          : additionalProperties,
    }),
  };
}

function members(properties: Readonly<Record<string, SchemaNode>>, pattern: string): object {
  const served = Object.entries(properties).map(
    ([key, below]) => [key, forEditors(below, joinPath(pattern, key))] as const,
  );
  const others = (notServed[pattern] ?? []).map(
    (key) => [key, { description: 'A key of OpenClaw; this gateway does not serve it.' }] as const,
  );
  return Object.fromEntries([...served, ...others]);
}

function isObject({ type }: SchemaNode): boolean {
  return type === 'object' || (Array.isArray(type) && type.includes('object'));
}
