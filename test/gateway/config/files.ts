/** Configuration files in a directory of their own, and what comes of loading them. */

import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type LoadedConfig, type LoadResult, loadConfig } from '../../../gateway/config/load.ts';
import { formatIgnored, formatProblem } from '../../../gateway/config/problem.ts';
import type { Environment } from '../../../gateway/config/substitute.ts';

/** A new directory with these files in it; gone when the test is. Values that are no text are written as JSON. */
export function directoryWith(files: Readonly<Record<string, unknown>> = {}): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'oc-gateway-config-')));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  }
  return directory;
}

/** Loads `openclaw.json` with this content, beside these other files. */
export function load(
  content: unknown,
  { env = {}, files = {} }: { env?: Environment; files?: Readonly<Record<string, unknown>> } = {},
): LoadResult {
  const directory = directoryWith({ ...files, 'openclaw.json': content });
  return loadConfig({ env, path: join(directory, 'openclaw.json') });
}

/** As `load`, for content that must be valid. */
export function loadValid(...args: Parameters<typeof load>): LoadedConfig {
  const result = load(...args);
  if (!result.ok) throw new Error(`unexpected errors:\n${lines(result).join('\n')}`);
  return result;
}

/** Everything that is printed about a result, without the directory. */
export function lines(result: LoadResult): readonly string[] {
  const problems = [...(result.ok ? [] : result.errors), ...result.warnings].map(formatProblem);
  const ignored = result.ignored.map(formatIgnored);
  const directory = result.source.kind === 'file' ? `${dirname(result.source.path)}/` : '';
  return [...problems, ...ignored].map((line) => line.replaceAll(directory, ''));
}

/** A configuration about which there is nothing to say. */
export const clean = {
  gateway: {
    trustedProxies: ['203.0.113.10'],
    controlUi: { allowedOrigins: ['https://app.example.com'] },
  },
  agents: { defaults: { model: 'oneapi/gpt' } },
  models: { providers: { oneapi: { baseUrl: 'https://one-api.example.com' } } },
} as const;
