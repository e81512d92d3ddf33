/**
 * Renders docs/configuration.md from the schema. `node gateway/config/render-docs.ts` writes the file;
 * a test fails while the file and the schema differ.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { notServed } from './openclaw-keys.ts';
import { joinPath } from './problem.ts';
import { configSchema } from './schema.ts';
import type { SchemaNode } from './vocabulary.ts';

/** Where the rendered page is kept. */
export const docsFile = new URL('../../docs/configuration.md', import.meta.url);

/** The reference page of the configuration, in Markdown. */
export function renderConfigurationDocs(): string {
  const guide = readFileSync(new URL('./configuration-guide.md', import.meta.url), 'utf8');
  const sections = Object.entries(configSchema.properties)
    .filter(([key]) => key !== '$schema')
    .flatMap(([key, section]) => sectionLines(key, section));
  return guide
    .replace('<!-- sections -->', () => sections.join('\n').trim())
    .replace('<!-- not served -->', () => notServedLines().join('\n').trim());
}

function sectionLines(name: string, section: SchemaNode): readonly string[] {
  const top = { path: name, schema: section, text: describe(section) };
  return [top, ...nestedTables(top)].flatMap((table) => {
    const rows = rowsOf(table);
    if (rows.length > 0) rows.unshift('| key | value | default | meaning |', '|---|---|---|---|');
    const heading = `${table === top ? '##' : '###'} \`${table.path}\``;
    if (rows.length === 0 && table !== top) return [];
    return [heading, '', table.text, '', ...rows, ...(rows.length > 0 ? [''] : [])];
  });
}

/** One object of the file, with a heading and a row for each of its plain keys. */
interface Table {
  readonly path: string;
  readonly schema: SchemaNode;
  readonly text: string;
}

/** Tables below a table, depth first. */
function nestedTables(table: Table): readonly Table[] {
  return childTables(table).flatMap((child) => [child, ...nestedTables(child)]);
}

function childTables({ path, schema }: Table): readonly Table[] {
  const named = Object.entries(schema.properties ?? {}).map(([key, below]) => ({
    path: joinPath(path, key),
    schema: below,
    text: describe(below),
  }));
  const free = freeMember(path, schema);
  return [...named, ...(free ? [free] : [])].flatMap((table) => {
    const { items } = table.schema;
    if (items?.properties)
      return [{ path: `${table.path}[]`, schema: items, text: describe(items) }];
    return hasTable(table.schema) ? [table] : [];
  });
}

/** The table of what an open-ended object holds; it speaks for that object too, which has no rows. */
function freeMember(path: string, schema: SchemaNode): Table | undefined {
  const { additionalProperties } = schema;
  if (typeof additionalProperties !== 'object') return undefined;
  const text = schema.properties ? describe(additionalProperties) : describe(schema);
  return { path: `${path}.<${schema['x-key']}>`, schema: additionalProperties, text };
}

// A value that may also be a string is explained in one row.
function hasTable({ type, properties, additionalProperties }: SchemaNode): boolean {
  if (type !== 'object') return false;
  return properties !== undefined || typeof additionalProperties === 'object';
}

function rowsOf({ path, schema }: Table): string[] {
  const rows = Object.entries(schema.properties ?? {})
    .filter(([, below]) => !hasTable(below))
    .map(([key, below]) => row(key, below, defaultText(below, schema.required?.includes(key))));
  const free = freeMember(path, schema);
  if (free && !hasTable(free.schema)) rows.push(row(`<${schema['x-key']}>`, free.schema, ''));
  return rows;
}

function row(key: string, schema: SchemaNode, fallback: string): string {
  const meaning = [describe(schema), ...exampleText(schema)].join(' ');
  const cells = [`\`${key}\``, valueText(schema), fallback, meaning];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function describe(schema: SchemaNode): string {
  const isTable = hasTable(schema);
  const parts = [
    schema.description,
    isTable && schema['x-unset'] && `Unset: ${schema['x-unset']}.`,
    schema['x-oc-gateway'] && '**ours**',
    schema['x-restart'] && '**restart**',
  ];
  return parts.filter((part) => part).join(' ');
}

function valueText(schema: SchemaNode): string {
  const { type, minimum, maximum } = schema;
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (Array.isArray(type)) {
    return type.includes('object')
      ? 'string or `{ primary, fallbacks }`'
      : 'string or whole number';
  }
  if (schema.items?.properties) return 'list of objects, below';
  if (type === 'array')
    return `list of ${schema.items?.enum ? valueText(schema.items) : 'strings'}`;
  if (type === 'integer' || type === 'number') {
    return `${type === 'integer' ? 'whole number' : 'number'}, ${grouped(minimum)} to ${grouped(maximum)}`;
  }
  if (type === 'boolean') return '`true`, `false`';
  return schema['x-secret'] ? 'string, secret' : String(type);
}

function grouped(value: number | undefined): string {
  return (value ?? 0).toLocaleString('en-US');
}

function defaultText(schema: SchemaNode, required = false): string {
  if (required) return 'required';
  if (schema['x-unset']) return `unset: ${schema['x-unset']}`;
  if (schema.default === undefined) return 'unset';
  if (schema.default === '') return 'empty';
  return `\`${JSON.stringify(schema.default)}\``;
}

function exampleText({ examples }: SchemaNode): readonly string[] {
  if (!examples || examples.length === 0) return [];
  return [`Example: ${examples.map((example) => `\`${JSON.stringify(example)}\``).join(', ')}.`];
}

function notServedLines(): readonly string[] {
  return Object.entries(notServed).map(([path, keys]) => {
    const where = path === '' ? 'whole sections' : `\`${path}\``;
    return `- ${where}: ${keys.map((key) => `\`${key}\``).join(', ')}`;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(docsFile, renderConfigurationDocs());
}
