/**
 * `npm run provider:new <name>`: lays the three things that an LLM API consists of, an adapter, a
 * line in the registry and a fixture folder, and says what to do next.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const TEMPLATE = new URL('./fixtures/_template/', import.meta.url);
const STREAMS = ['plain', 'tools', 'reasoning', 'refusal'];
const ROOT = join(import.meta.dirname, '..', '..');

/** Lays the files under `root`. Returns their paths, or throws an error whose message is for people. */
export function newProvider(root: string, name: string): string[] {
  if (!/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(name)) {
    throw new Error('a name is lower-case letters and digits, with single hyphens between them');
  }
  const registry = join(root, 'providers', 'registry.ts');
  const adapter = join(root, 'providers', `${name}.ts`);
  const folder = join(root, 'test', 'conformance', 'fixtures', name);
  const registered = register(readFileSync(registry, 'utf8'), name);
  // Never over something that is there.
  writeFileSync(adapter, fill('adapter.ts', name).replaceAll('../../../../providers/', './'), {
    flag: 'wx',
  });
  mkdirSync(folder);
  writeFileSync(join(folder, 'fixture.ts'), fill('fixture.ts', name));
  for (const stream of STREAMS) writeFileSync(join(folder, `${stream}.txt`), '');
  writeFileSync(registry, registered);
  return [adapter, registry, folder];
}

function fill(file: string, name: string): string {
  return readFileSync(new URL(file, TEMPLATE), 'utf8').replaceAll('NAME', name);
}

/** The new line stands before the demonstration, which is the last. */
function register(source: string, name: string): string {
  const key = name.includes('-') ? `'${name}'` : name;
  const line = `  ${key}: () => import('./${name}.ts'),\n`;
  if (source.includes(line)) throw new Error(`${name} is in the registry already`);
  const last = '  demo: () =>';
  if (!source.includes(last)) throw new Error('the registry has no line for demo any more');
  return source.replace(last, line + last);
}

function main(name: string | undefined): void {
  if (name === undefined) {
    process.stderr.write('usage: npm run provider:new <name>\n');
    process.exitCode = 1;
    return;
  }
  try {
    for (const path of newProvider(ROOT, name)) process.stdout.write(`${path}\n`);
    process.stdout.write(
      `\nRecord the API's streams in the folder, fill in the TODOs, and run\n` +
        `  npm test -- test/conformance -t ${name}\nuntil it passes. providers/README.md explains each step.\n`,
    );
  } catch (error) {
    process.stderr.write(`provider:new: ${error instanceof Error ? error.message : 'failed'}\n`);
    process.exitCode = 1;
  }
}

if (import.meta.main) main(process.argv[2]);
