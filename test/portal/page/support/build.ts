/** The page as the package ships it, built into a folder of the test process's own. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { afterAll } from 'vitest';

const PAGE = join(import.meta.dirname, '..', '..', '..', '..', 'portal', 'page');

/** The folder. To be called in `beforeAll`; it goes away after the file's last test. */
export async function buildPage(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'oc-page-'));
  built.add(folder);
  await build({
    configFile: join(PAGE, 'vite.config.ts'),
    logLevel: 'warn',
    build: { outDir: folder, emptyOutDir: true },
  });
  return folder;
}

const built = new Set<string>();

afterAll(async () => {
  for (const folder of built) await rm(folder, { recursive: true, force: true });
});
