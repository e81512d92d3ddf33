/** `oc-gateway nginx render` and `oc-gateway nginx check`: nginx's configuration from a few values. */

import { readFileSync } from 'node:fs';
import { parseMap } from '../../deploy/nginx/map.ts';
import { type RenderedFile, renderNginx } from '../../deploy/nginx/render.ts';
import { testInScratch } from '../../deploy/nginx/scratch.ts';
import { mapOptions, type NginxValues, readValues } from '../../deploy/nginx/values.ts';
import { writeFiles } from '../../deploy/nginx/write-files.ts';
import type { Io } from './io.ts';

export interface NginxFlags {
  values?: string;
  out?: string;
  map?: string;
}

/** Writes the files below --out, or prints them. Exit code 1 if a value is wrong or a file cannot be written. */
export async function nginxRender(io: Io, flags: NginxFlags): Promise<number> {
  if (flags.values === undefined) return missing(io, 'render', '--values FILE');
  const read = valuesFrom(flags.values, (raw) =>
    readValues(raw, { env: io.env, file: (path) => readFileSync(path, 'utf8') }),
  );
  if (!read.ok) return tell(io, read.problems);
  const files = renderNginx(read.values);
  if (flags.out === undefined) {
    io.stdout.write(files.map(printed).join('\n'));
    return 0;
  }
  try {
    await writeFiles(flags.out, files);
  } catch (error) {
    return tell(io, [`cannot write below ${flags.out} (${codeOf(error)})`]);
  }
  for (const file of files) io.stdout.write(`${file.path}\n`);
  return 0;
}

/** On standard output a secret would end up in a scroll buffer or a log. */
function printed(file: RenderedFile): string {
  const text = file.secret ? '# holds a secret; written with --out only\n' : file.text;
  return `# ==> ${file.path}\n${text}`;
}

/** What stands in for the values when only a map is given. */
const SAMPLE_VALUES = { serverNames: ['localhost'], allowedOrigins: ['https://app.example.com'] };
/** nginx's syntax does not depend on the secrets, so a check needs no right to read them. */
const NO_SECRET = 'not-the-secret-0123456789';

/** Of a file that is no map at all, each line is wrong. */
const MOST_LINES = 20;

/** Prints every problem of the map and the values, then what nginx says. Exit code 1 if there is any. */
export async function nginxCheck(io: Io, flags: NginxFlags): Promise<number> {
  if (flags.map === undefined) return missing(io, 'check', '--map FILE');
  const env = { OC_INTERNAL_SECRET: NO_SECRET, OC_GATEWAY_SECRET: NO_SECRET };
  const read = valuesFrom(flags.values, (raw) => readValues(raw, { env, file: () => NO_SECRET }));
  const map = readText(flags.map);
  const problems = [...(read.ok ? [] : read.problems), ...(map.ok ? [] : [map.problem])];
  if (map.ok) {
    // Without values nobody knows which upstreams there are.
    const options = read.ok && flags.values !== undefined ? mapOptions(read.values) : {};
    const parsed = parseMap(map.text, options);
    if (!parsed.ok) {
      const lines = parsed.problems.map((each) => `${flags.map}:${each.line}: ${each.message}`);
      problems.push(...lines.slice(0, MOST_LINES));
      if (lines.length > MOST_LINES) problems.push(`and ${lines.length - MOST_LINES} more`);
    } else if (parsed.backends.size === 0) {
      problems.push(`${flags.map}: names no instance, so every socket would be refused`);
    }
  }
  if (!read.ok || !map.ok || problems.length > 0) return tell(io, problems);
  const result = await testInScratch(withPools(read.values, map.text), map.text, io.env);
  if (result.kind !== 'ok') return tell(io, [result.said]);
  if (result.said !== '') io.stderr.write(`${result.said}\n`);
  io.stdout.write(`${flags.map}: ok\n`);
  return 0;
}

/** Without values, the names of pools in the map are taken on trust. */
function withPools(values: NginxValues, map: string): NginxValues {
  const parsed = parseMap(map);
  const named = parsed.ok
    ? [...parsed.backends.values()].filter((each) => !each.includes(':'))
    : [];
  const assumed = Object.fromEntries(named.map((name) => [name, ['127.0.0.1:1']]));
  return { ...values, upstreams: { ...assumed, ...values.upstreams } };
}

type Read<T> = ({ ok: true } & T) | { ok: false; problems: readonly string[] };

function valuesFrom(
  path: string | undefined,
  read: (raw: unknown) => Read<{ values: NginxValues }>,
): Read<{ values: NginxValues }> {
  if (path === undefined) return read(SAMPLE_VALUES);
  const text = readText(path);
  if (!text.ok) return { ok: false, problems: [text.problem] };
  try {
    const result = read(JSON.parse(text.text));
    if (result.ok) return result;
    return { ok: false, problems: result.problems.map((problem) => `${path}: ${problem}`) };
  } catch {
    return { ok: false, problems: [`${path}: is not JSON`] };
  }
}

function readText(path: string): { ok: true; text: string } | { ok: false; problem: string } {
  try {
    return { ok: true, text: readFileSync(path, 'utf8') };
  } catch (error) {
    return { ok: false, problem: `${path}: cannot be read (${codeOf(error)})` };
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'failed';
}

function tell(io: Io, problems: readonly string[]): number {
  for (const problem of problems) io.stderr.write(`${problem}\n`);
  return 1;
}

function missing(io: Io, command: string, flag: string): number {
  io.stderr.write(`oc-gateway: nginx ${command} needs ${flag}\nTry: oc-gateway --help\n`);
  return 2;
}
