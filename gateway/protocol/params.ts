/**
 * Params of a method, checked against a JSON Schema that also gives their type. Fields that the
 * schema does not name are ignored, because newer clients send more; wrong ones get a message in
 * the words of OpenClaw.
 */

import type { ErrorObject, ValidateFunction } from 'ajv';
import type { FromSchema, JSONSchema } from 'json-schema-to-ts';
import { paramsValidator } from '../validators/compile.ts';
import { type ProtocolError, protocolError } from './errors.ts';

export type CheckedParams<T> =
  | { readonly ok: true; readonly params: T }
  | { readonly ok: false; readonly error: ProtocolError };

/** Checks without changing, coercing or completing its argument. */
export type ParamsCheck<T> = (params: unknown) => CheckedParams<T>;

/**
 * A check for one method's params. The schema is compiled at the first call, so that a start does
 * not pay for methods that nobody uses. Declare the schema `as const satisfies JSONSchema`; the
 * type of the params follows from it. Generic code, where it cannot be computed, may name it as `T`.
 */
export function compileParams<const S extends JSONSchema, T = FromSchema<S>>(
  method: string,
  schema: S,
): ParamsCheck<T> {
  let validate: ValidateFunction<T> | undefined;
  return (params) => {
    validate ??= paramsValidator<T>(method, schemaObject(schema));
    if (validate(params)) return { ok: true, params };
    const problem = describe(validate.errors?.[0]);
    return {
      ok: false,
      error: protocolError('INVALID_REQUEST', `invalid ${method} params: ${problem}`),
    };
  };
}

/** The type of the params that a check lets through. */
export type ParamsOf<C> = C extends ParamsCheck<infer T> ? T : never;

// `true` and `false` are schemas too; ajv's typed overloads want an object.
function schemaObject(schema: JSONSchema): object {
  if (typeof schema !== 'boolean') return schema;
  return schema ? {} : { not: {} };
}

function describe(error: ErrorObject | undefined): string {
  const where = error?.instancePath ? `at ${error.instancePath}: ` : '';
  // ajv writes "must NOT have fewer than 1 characters"; clients know it in lower case.
  const what = (error?.message ?? 'is not valid').replace('must NOT', 'must not');
  return where + what;
}
