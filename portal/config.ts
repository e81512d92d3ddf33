/** Reads portal.json, puts the environment's values in, and reports all problems at once. */

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Ajv, type ErrorObject } from 'ajv';
import { isIpRange, isOrigin, isWsBase } from './config-formats.ts';
import { FORMATS, type PortalConfig, portalSchema } from './config-schema.ts';

export interface ConfigProblem {
  /** Such as `gateways[0].token`; `(file)` for the file as a whole. */
  readonly key: string;
  readonly message: string;
}

export type LoadedConfig =
  | { ok: true; path: string; config: PortalConfig }
  | { ok: false; path: string; problems: readonly ConfigProblem[]; database?: string };

export interface ConfigSource {
  /** `--config`, if it was given. */
  readonly path?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The file is `path`, else OC_PORTAL_CONFIG, else `portal.json` in the working directory. Paths in it
 * are relative to it. A failure still tells `database` if that much is right: a command that needs
 * nothing else should not ask for secrets.
 */
export function loadPortalConfig(source: ConfigSource): LoadedConfig {
  const path = resolve(source.path ?? source.env['OC_PORTAL_CONFIG'] ?? 'portal.json');
  const problems: ConfigProblem[] = [];
  const read = readJson(path);
  if (!read.ok) return { ok: false, path, problems: [{ key: '(file)', message: read.message }] };
  const value = substitute(read.value, source.env, '', problems);
  const unset = new Set(problems.map(({ key }) => key));
  if (!validate(value)) {
    for (const error of validate.errors ?? []) {
      const problem = describe(error);
      if (!unset.has(problem.key)) problems.push(problem);
    }
  }
  const folder = dirname(path);
  if (problems.length === 0 && isConfig(value)) {
    const { pageDir } = value;
    const config = {
      ...value,
      database: resolve(folder, value.database),
      ...(pageDir !== undefined && { pageDir: resolve(folder, pageDir) }),
    };
    return { ok: true, path, config };
  }
  const onlySecrets = problems.every(({ key }) => SECRETS.test(key));
  const database = onlySecrets ? databaseOf(value) : undefined;
  return {
    ok: false,
    path,
    problems,
    ...(database !== undefined && { database: resolve(folder, database) }),
  };
}

/** One line for people. */
export function formatProblem({ key, message }: ConfigProblem): string {
  return `${key}: ${message}`;
}

const SECRETS = /^(?:jwtSecret|internalSecret|gateways\[\d+\]\.token)$/;

const ajv = new Ajv({
  allErrors: true,
  useDefaults: true,
  allowUnionTypes: true,
  formats: {
    'ws-base': isWsBase,
    origin: (text: string) => isOrigin(text),
    'origin-or-empty': (text: string) => text === '' || isOrigin(text),
    'http-origin': (text: string) => isOrigin(text),
    'connect-source': (text: string) => isOrigin(text, ['http:', 'https:', 'ws:', 'wss:']),
    'ip-range': isIpRange,
  },
});
const validate = ajv.compile(portalSchema);

function isConfig(value: unknown): value is PortalConfig {
  return validate(value);
}

function databaseOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('database' in value)) return undefined;
  return typeof value.database === 'string' ? value.database : undefined;
}

function readJson(path: string): { ok: true; value: unknown } | { ok: false; message: string } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EISDIR') return { ok: false, message: 'it is a folder; name the file in it' };
    const missing = code === 'ENOENT';
    const cure =
      'name one with --config or OC_PORTAL_CONFIG (docs/portal-contract.md has a sample)';
    return {
      ok: false,
      message: missing
        ? `there is no such file; ${cure}`
        : 'it cannot be read; check its permissions',
    };
  }
  try {
    const value: unknown = JSON.parse(text);
    return { ok: true, value };
  } catch (error) {
    // V8's message quotes the file, which may hold a secret.
    const place = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    const line =
      place === undefined ? '' : ` (line ${text.slice(0, Number(place)).split('\n').length})`;
    return {
      ok: false,
      message: `it is not JSON${line}; comments and trailing commas are not allowed`,
    };
  }
}

/** A copy with `${NAME}` in strings replaced by the environment's value. */
function substitute(
  value: unknown,
  env: ConfigSource['env'],
  key: string,
  problems: ConfigProblem[],
): unknown {
  if (typeof value === 'string') {
    return value.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (whole, name: string) => {
      const found = env[name];
      if (found !== undefined && found !== '') return found;
      problems.push({ key, message: `the environment has no ${name}; set it` });
      return whole;
    });
  }
  if (Array.isArray(value)) {
    return value.map((each, index) => substitute(each, env, `${key}[${index}]`, problems));
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      substitute(each, env, key === '' ? name : `${key}.${name}`, problems),
    ]),
  );
}

function describe(error: ErrorObject): ConfigProblem {
  const key = keyOf(error.instancePath);
  const params: Readonly<Record<string, unknown>> = error.params;
  switch (error.keyword) {
    case 'additionalProperties': {
      const name = String(params['additionalProperty']);
      return {
        key: key === '' ? name : `${key}.${name}`,
        message: 'there is no such key; remove it or correct its name',
      };
    }
    case 'required': {
      const name = String(params['missingProperty']);
      return { key: key === '' ? name : `${key}.${name}`, message: 'it is missing; set it' };
    }
    case 'format':
      return { key, message: `write ${FORMATS[String(params['format'])] ?? 'another value'}` };
    case 'minLength':
      return {
        key,
        message: `it is too short; at least ${String(params['limit'])} characters are needed`,
      };
    default:
      return { key: key === '' ? '(file)' : key, message: `it ${error.message ?? 'is not valid'}` };
  }
}

function keyOf(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce(
      (path, part) =>
        /^\d+$/.test(part) ? `${path}[${part}]` : path === '' ? part : `${path}.${part}`,
      '',
    );
}
