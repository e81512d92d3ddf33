/** The checks that `npm run build` writes out judge as those that are compiled from the schemas. */

import type { ValidateFunction } from 'ajv';
import fc from 'fast-check';
import { rolldown } from 'rolldown';
import { beforeAll, describe, expect, test } from 'vitest';
import { METHODS } from '../../gateway/methods/registry.ts';
import { CONNECT_PARAMS } from '../../gateway/protocol/connect.ts';
import * as compiled from '../../gateway/validators/compile.ts';
import { precompiledValidators } from '../../gateway/validators/precompile.ts';

let source: string;
let built: typeof compiled;

beforeAll(async () => {
  const bundle = await rolldown({
    input: new URL('../../gateway/validators/compile.ts', import.meta.url).pathname,
    platform: 'node',
    plugins: [precompiledValidators()],
  });
  const { output } = await bundle.generate({ format: 'esm' });
  const [{ code }] = output;
  source = code;
  built = await import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`);
});

function judged(validate: ValidateFunction, value: unknown) {
  const given = structuredClone(value);
  const ok = validate(given);
  // The value too: the configuration's check fills in defaults.
  return { ok, errors: validate.errors, given };
}

/** Values of the shapes that a schema names, mostly right, and others. */
function valuesOf(schema: unknown): fc.Arbitrary<unknown> {
  const { type, properties, items, enum: allowed } = Object(schema);
  const odd = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('', -1, 0.5, null));
  const kinds = new Set<unknown>([type].flat());
  const right: fc.Arbitrary<unknown>[] = allowed ? [fc.constantFrom(...allowed)] : [];
  if (kinds.has('object')) {
    const fields = Object.entries(properties ?? {}).map(([key, inner]) => [key, valuesOf(inner)]);
    right.push(fc.record(Object.fromEntries(fields), { requiredKeys: [] }));
  }
  if (kinds.has('array')) right.push(fc.array(valuesOf(items), { maxLength: 3 }));
  if (kinds.has('string')) right.push(fc.string({ unit: 'grapheme' }));
  if (kinds.has('integer') || kinds.has('number')) right.push(fc.integer());
  if (kinds.has('boolean')) right.push(fc.boolean());
  return right.length === 0
    ? odd
    : fc.oneof({ arbitrary: fc.oneof(...right), weight: 9 }, { arbitrary: odd, weight: 1 });
}

const METHOD_SCHEMAS: [string, object][] = [
  ['connect', CONNECT_PARAMS],
  ...[...METHODS.values()].map(({ name, params }): [string, object] => [name, params]),
];

describe('written out', () => {
  test('nothing is left that compiles', () => {
    expect(source).not.toContain('class Ajv');
  });

  test.each(METHOD_SCHEMAS)('%s', (name, schema) => {
    const [expected, actual] = [
      compiled.paramsValidator(name, schema),
      built.paramsValidator(name, schema),
    ];
    fc.assert(
      fc.property(valuesOf(schema), (value) => {
        expect(judged(actual, value)).toEqual(judged(expected, value));
      }),
      { numRuns: 60 },
    );
  });

  test('openclaw.json', async () => {
    const { configSchema } = await import('../../gateway/config/schema.ts');
    const [expected, actual] = [compiled.configValidator(), built.configValidator()];
    fc.assert(
      fc.property(valuesOf(configSchema), (value) => {
        expect(judged(actual, value)).toEqual(judged(expected, value));
      }),
      { numRuns: 200 },
    );
  });
});
