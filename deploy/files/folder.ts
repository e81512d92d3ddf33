/** A folder in a place that an operator names. */

import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes the folder, and those above it that are missing, each with this mode; one that is there stays as it is.
 * `mkdirSync` with `recursive` would never return from a place like /proc, where a folder is there and yet anything
 * made in it is said to have no folder: it goes up and down again for ever.
 *
 * @throws the system's error if one of them cannot be made, or is something else.
 */
export function makeFolder(path: string, mode: number): void {
  if (isFolder(path)) return;
  const above = dirname(path);
  if (above !== path && !statSync(above, { throwIfNoEntry: false })) makeFolder(above, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!isFolder(path)) throw error;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
