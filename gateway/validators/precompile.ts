/**
 * What takes the place of compile.ts in the built program: every check that it would compile, written out as
 * code. A start then neither loads ajv nor compiles schemas, which is a third of its time and 15 MB.
 */

import { join } from 'node:path';
import { _, Ajv } from 'ajv';
import standalone from 'ajv/dist/standalone/index.js';
import type { Plugin } from 'rolldown';
import { configSchema } from '../config/schema.ts';
import { METHODS } from '../methods/registry.ts';
import { CONNECT_PARAMS } from '../protocol/connect.ts';
import { CONFIG_OPTIONS, PARAMS_OPTIONS, teachFormats } from './compile.ts';

const REPLACED = join(import.meta.dirname, 'compile.ts');
const FORMATS = join(import.meta.dirname, '..', 'config', 'formats.ts');
const PARAMS = '\0validators/params';
const CONFIG = '\0validators/config';

/** Part of `npm run build`. */
export function precompiledValidators(): Plugin {
  return {
    name: 'precompiled-validators',
    resolveId: (id) => (id === PARAMS || id === CONFIG ? id : undefined),
    load(id) {
      const source = sources[id];
      return source && { code: source(), moduleType: 'js' };
    },
  };
}

const sources: Readonly<Record<string, () => string>> = {
  [REPLACED]: () => `
    import * as params from ${JSON.stringify(PARAMS)};
    import { config } from ${JSON.stringify(CONFIG)};
    export const paramsValidator = (method) => params[method];
    export const configValidator = () => config;
  `,
  [PARAMS]() {
    const ajv = new Ajv({ ...PARAMS_OPTIONS, code: { source: true, esm: true } });
    const schemas = [...METHODS.values()].map(({ name, params }) => [name, params] as const);
    return written(ajv, [['connect', CONNECT_PARAMS], ...schemas]);
  },
  [CONFIG]() {
    const code = { source: true, esm: true, formats: _`formatChecks` };
    const ajv = teachFormats(new Ajv({ ...CONFIG_OPTIONS, code }));
    return `
      import { formats } from ${JSON.stringify(FORMATS)};
      const formatChecks = Object.fromEntries(Object.entries(formats).map(
        ([name, format]) => [name, { validate: (value) => !format.check(value) }]));
      ${written(ajv, [['config', configSchema]])}
    `;
  },
};

/** A module that exports each schema's check under the schema's name. */
function written(ajv: Ajv, schemas: readonly (readonly [string, object])[]): string {
  // Some methods share their parameters: ajv would write such a check twice.
  const ids = new Map(schemas.map(([, schema], index) => [schema, `check${index}`]));
  for (const [schema, id] of ids) ajv.addSchema(schema, id);
  const imports: string[] = [];
  const checks = standalone.default(
    ajv,
    Object.fromEntries([...ids.values()].map((id) => [id, id])),
  );
  const code = checks.replaceAll(
    // What ajv writes for its run-time helpers, even when asked for a module.
    /require\("(ajv\/dist\/runtime\/\w+)"\)\.default/g,
    (_match, path: string) => {
      const name = `helper${imports.length}`;
      imports.push(`import ${name} from ${JSON.stringify(`${path}.js`)};`);
      return name;
    },
  );
  const exported = schemas.map(([name, schema]) => `${ids.get(schema)} as ${JSON.stringify(name)}`);
  return [
    ...imports,
    code.replaceAll('export const check', 'const check'),
    `export { ${exported.join(', ')} };`,
  ].join('\n');
}
