import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { editorSchema } from '../../../gateway/config/editor-schema.ts';
import { parseText } from '../../../gateway/config/parse.ts';
import { docsFile, renderConfigurationDocs } from '../../../gateway/config/render-docs.ts';
import { configSchema } from '../../../gateway/config/schema.ts';
import { toPlain } from '../../../gateway/config/tree.ts';
import { keywords, type SchemaNode } from '../../../gateway/config/vocabulary.ts';

const EXAMPLE = new URL('../../../openclaw.json.example', import.meta.url);

interface Key {
  path: string;
  schema: SchemaNode;
}

function keysOf(schema: SchemaNode, path = ''): readonly Key[] {
  const { additionalProperties: free, items } = schema;
  const below = [
    ...Object.entries(schema.properties ?? {}).map(([key, member]) => ({
      path: `${path}.${key}`,
      schema: member,
    })),
    ...(typeof free === 'object' ? [{ path: `${path}.*`, schema: free }] : []),
    ...(items?.properties ? [{ path: `${path}[]`, schema: items }] : []),
  ];
  return below.flatMap((key) => [key, ...keysOf(key.schema, key.path)]);
}

describe('docs/configuration.md', () => {
  it('is what the schema says; `npm run docs` writes it', () => {
    expect(readFileSync(docsFile, 'utf8')).toBe(renderConfigurationDocs());
  });

  it('names every key', () => {
    const page = renderConfigurationDocs();
    const names = keysOf(configSchema).map(({ path }) => path.split('.').at(-1) ?? '');
    const missing = names.filter((name) => /^[a-z]+$/i.test(name) && !page.includes(name));
    expect(missing).toEqual([]);
  });
});

describe('the schema', () => {
  it('is a valid one', () => {
    const ajv = new Ajv({ strict: true, allowUnionTypes: true });
    ajv.addVocabulary([...keywords]);
    for (const format of ['origin', 'ip-or-cidr', 'ip-address', 'http-url'])
      ajv.addFormat(format, true);
    expect(() => ajv.compile(configSchema)).not.toThrow();
  });

  it('describes every key, bounds every number and every text', () => {
    for (const { path, schema } of keysOf(configSchema)) {
      expect(schema.description, path).toMatch(/\.$/);
      const types = new Set([schema.type].flat());
      if (types.has('integer') || types.has('number')) {
        expect([path, typeof schema.minimum, typeof schema.maximum]).toEqual([
          path,
          'number',
          'number',
        ]);
      }
      if (schema.pattern) expect(schema['x-expects'], path).toBeDefined();
      const bounded =
        schema.maxLength !== undefined || schema.enum || schema.pattern?.includes('{');
      if (types.has('string')) expect(bounded, `${path} has a longest text`).toBeTruthy();
    }
  });

  it('knows no other keys in any object', () => {
    const open = keysOf(configSchema).filter(
      ({ schema }) => schema.properties && schema.additionalProperties !== false,
    );
    expect(open).toEqual([]);
  });
});

describe('the JSON Schema for editors', () => {
  const ajv = new Ajv({ strict: false, allErrors: true });
  const validate = ajv.compile(editorSchema());
  const accepts = (value: unknown) => validate(value);

  it('accepts the example', () => {
    const { tree } = parseText(readFileSync(EXAMPLE, 'utf8'), 'example');
    if (!tree) throw new Error('the example is not JSON5');
    expect(validate(toPlain(tree)), JSON.stringify(validate.errors)).toBe(true);
  });

  it('accepts what is gone by validation: includes, references, variables, keys that are not served', () => {
    expect(accepts({ $include: 'a.json', agents: { entries: { $include: ['b.json'] } } })).toBe(
      true,
    );
    expect(accepts({ models: { providers: { a: { apiKey: { source: 'env', id: 'K' } } } } })).toBe(
      true,
    );
    expect(accepts({ agents: { defaults: { model: '${MODEL}' } } })).toBe(true);
    expect(
      accepts({
        channels: {},
        gateway: { tailscale: {} },
        models: { providers: { a: { auth: 'x' } } },
      }),
    ).toBe(true);
  });

  it('refuses unknown keys and wrong values', () => {
    expect(accepts({ gatway: {} })).toBe(false);
    expect(accepts({ gateway: { prot: 1 } })).toBe(false);
    expect(accepts({ gateway: { port: 'x' } })).toBe(false);
    expect(accepts({ agents: { entries: { 'A B': {} } } })).toBe(false);
    expect(accepts({ agents: { defaults: { model: 'gpt' } } })).toBe(false);
  });
});
