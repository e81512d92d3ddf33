/** The house's rule: imports go down only, and each native or vendor package has one door. */

import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { dirname, join, normalize, relative } from 'node:path';
import { parseSync } from 'oxc-parser';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');

interface Import {
  from: string;
  to: string;
}

/** Every static, dynamic and type-only import of the sources, as `wing/file.ts` or a package's name. */
async function importsOf(pattern: string): Promise<Import[]> {
  const imports: Import[] = [];
  for await (const file of glob(pattern, { cwd: ROOT })) {
    const source = readFileSync(join(ROOT, file), 'utf8');
    const { module, errors } = parseSync(file, source);
    expect(errors, file).toEqual([]);
    const named = [
      ...module.staticImports.map((each) => each.moduleRequest.value),
      ...module.staticExports.flatMap((each) =>
        each.entries.flatMap((entry) => entry.moduleRequest?.value ?? []),
      ),
      ...module.dynamicImports.map(({ moduleRequest: at }) =>
        source.slice(at.start + 1, at.end - 1),
      ),
    ];
    for (const name of named) imports.push({ from: file, to: resolve(file, name) });
  }
  return imports;
}

function resolve(file: string, name: string): string {
  if (!name.startsWith('.')) return name;
  return relative(ROOT, normalize(join(ROOT, dirname(file), name)));
}

const WINGS = ['providers', 'agents', 'gateway', 'portal', 'deploy'] as const;
const sources = (await Promise.all(WINGS.map((wing) => importsOf(`${wing}/**/*.{ts,tsx}`)))).flat();

/** What each wing may reach, beside itself and packages. */
const MAY_REACH: Readonly<Record<(typeof WINGS)[number], readonly string[]>> = {
  providers: [],
  agents: ['providers', 'deploy/files'],
  gateway: ['agents', 'providers', 'deploy', 'package.json'],
  portal: ['deploy', 'package.json'],
  deploy: ['package.json'],
};

describe('imports', () => {
  test('are found at all', () => {
    expect(sources.length).toBeGreaterThan(100);
  });

  test.each(WINGS)('of %s go down only', (wing) => {
    const wrong = sources.filter(({ from, to }) => {
      if (!from.startsWith(`${wing}/`)) return false;
      const local = /^(providers|agents|gateway|portal|deploy|test|bench|package\.json)(\/|$)/.exec(
        to,
      )?.[1];
      const allowed = MAY_REACH[wing].some((each) => `${to}/`.startsWith(`${each}/`));
      return local !== undefined && local !== wing && !allowed;
    });
    expect(wrong).toEqual([]);
  });

  test.each([
    ['uWebSockets.js', 'gateway/server.ts'],
    ['openai', 'providers/openai-'],
    ['@anthropic-ai/sdk', 'providers/anthropic-messages.ts'],
    ['@google/generative-ai', 'providers/google-generative-ai.ts'],
  ])('of %s are in %s only', (name, door) => {
    const users = sources.filter(({ to }) => to === name || to.startsWith(`${name}/`));
    expect(users.filter(({ from }) => !from.startsWith(door))).toEqual([]);
  });

  test('of better-sqlite3 are in one folder of each process', () => {
    const users = sources.filter(({ to }) => to === 'better-sqlite3').map(({ from }) => from);
    expect(users.filter((from) => !/^(agents\/sessions|portal\/store)\//.test(from))).toEqual([]);
  });
});
