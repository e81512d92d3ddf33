/** Puts rendered files in their places: each as a whole, and what holds a secret for its owner's eyes only. */

import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../files/folder.ts';
import type { RenderedFile } from './render.ts';

/** Rejects if a file cannot be written; those before it are then already in place. */
export async function writeFiles(folder: string, files: readonly RenderedFile[]): Promise<void> {
  for (const file of files) {
    const path = join(folder, file.path);
    makeFolder(dirname(path), 0o777);
    const fresh = `${path}.new`;
    // A leftover would keep its mode.
    await rm(fresh, { force: true });
    await writeFile(fresh, file.text, { mode: file.secret ? 0o600 : 0o644, flag: 'wx' });
    await rename(fresh, path);
  }
}
