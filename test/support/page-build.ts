/** The chat page, built once for all test files: kept by the content of its sources. */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { runCommand } from './part.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SOURCES = join(ROOT, 'portal', 'page');
const KEPT = join(ROOT, 'node_modules', '.cache', 'oc-page');
const OLD_MS = 86_400_000;

/** The folder of the built page. Two files that build at once both build; the first one's is kept. */
export async function builtPage(): Promise<string> {
  const folder = join(KEPT, await contentOf(SOURCES));
  if (existsSync(folder)) return folder;
  await mkdir(KEPT, { recursive: true });
  await forgetOld();
  const fresh = await mkdtemp(join(KEPT, 'new-'));
  const vite = join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js');
  const options = ['--outDir', fresh, '--emptyOutDir', '--logLevel', 'warn'];
  await runCommand([vite, 'build', SOURCES, ...options], { NODE_ENV: 'production' });
  try {
    await rename(fresh, folder);
  } catch {
    // Somebody else was faster.
    await rm(fresh, { recursive: true, force: true });
  }
  return folder;
}

async function contentOf(folder: string): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !relative(folder, path).startsWith('dist'))
    .toSorted();
  for (const path of [...files, join(ROOT, 'package-lock.json')]) {
    hash.update(`${relative(ROOT, path)}\n`).update(await readFile(path));
  }
  return hash.digest('hex').slice(0, 16);
}

async function forgetOld(): Promise<void> {
  for (const name of await readdir(KEPT)) {
    const path = join(KEPT, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > OLD_MS) await rm(path, { recursive: true, force: true });
  }
}
