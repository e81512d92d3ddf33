/**
 * JSON Schemas to functions that check, by ajv. In the built program another module stands in this one's
 * place (precompile.ts), with the same exports and the functions written out: there, ajv is not loaded.
 */

import { Ajv, type Options, type ValidateFunction } from 'ajv';
import { formats } from '../config/formats.ts';
import { type Config, configSchema } from '../config/schema.ts';
import { keywords } from '../config/vocabulary.ts';

/** Params are checked as they are: nothing is changed, coerced or completed. */
export const PARAMS_OPTIONS: Options = { allowUnionTypes: true };

/** Defaults are filled in, and everything that is wrong is told at once. */
export const CONFIG_OPTIONS: Options = {
  allErrors: true,
  useDefaults: true,
  allowUnionTypes: true,
  // Cold, this is 30 ms instead of 90. That the schema is a valid one is a test's business.
  meta: false,
  validateSchema: false,
  code: { optimize: false },
};

const paramsAjv = new Ajv(PARAMS_OPTIONS);

/**
 * The check of one method's params.
 *
 * @throws if the schema is not a valid one.
 */
export function paramsValidator<T>(_method: string, schema: object): ValidateFunction<T> {
  return paramsAjv.compile<T>(schema);
}

/** The check of openclaw.json, which fills in its argument's defaults. */
export function configValidator(): ValidateFunction<Config> {
  return teachFormats(new Ajv(CONFIG_OPTIONS)).compile<Config>(configSchema);
}

/** Our own keywords, and the formats that config/formats.ts judges. */
export function teachFormats(ajv: Ajv): Ajv {
  ajv.addVocabulary([...keywords]);
  for (const [name, format] of Object.entries(formats)) {
    ajv.addFormat(name, { type: 'string', validate: (value: string) => !format.check(value) });
  }
  return ajv;
}
