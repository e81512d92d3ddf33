/** Why the files of a store could not be opened: what an operator has to know apart, each with its cure. */

import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from './faults.ts';
import { StoreFileError } from './store.ts';

/** What stands beside a store, and has to be its user's too. */
const PARTS = ['', '-wal', '-shm', '.lock', '.workers.lock'] as const;

/** @param path of the store. */
export function openFailure(path: string, cause: unknown): StoreFileError {
  const sentence = `The session store cannot be opened: ${reasonOf(path, codeOf(cause))}`;
  return new StoreFileError('unusable', path, sentence, { cause });
}

export function isDamage(cause: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(cause));
}

function reasonOf(path: string, code: string): string {
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) {
    return 'its file is damaged, or no database. Correct gateway.storage.path, or put a backup in its place with "oc-gateway db restore FILE".';
  }
  if (code.startsWith('SQLITE_BUSY')) {
    return 'another program holds its lock. End what has the file open (a shell, a backup), then try again.';
  }
  if (code.startsWith('SQLITE_FULL') || code === 'ENOSPC' || code === 'EDQUOT') {
    return 'its disk is full. Make room, then try again.';
  }
  if (code === 'EISDIR' || code === 'ENOTDIR') {
    return 'this is a folder, or leads through a file. Correct gateway.storage.path (or OPENCLAW_STATE_DIR).';
  }
  // Of a folder below one that is there: /proc, say, in which nothing can be made.
  if (code === 'ENOENT') {
    return 'its folder cannot be made there. Correct gateway.storage.path (or OPENCLAW_STATE_DIR).';
  }
  // SQLite says the same of a file that may not be opened and of one that cannot be made.
  const mayBeDenied = /^(EACCES|EPERM|SQLITE_(CANTOPEN|READONLY|PERM|AUTH))/.test(code);
  const denied = mayBeDenied ? deniedPart(path) : undefined;
  if (denied !== undefined) return permissionDenied(denied);
  if (code === 'EROFS' || code.startsWith('SQLITE_READONLY')) {
    return 'its file system is read-only. Mount it writable, or name another gateway.storage.path (or OPENCLAW_STATE_DIR).';
  }
  if (code.startsWith('SQLITE_IOERR') || code === 'EIO') {
    return `its disk fails (${code}). See what the system logs about it.`;
  }
  return `the system refuses it (${code || 'no reason given'}). Look at the file, its folder and the disk.`;
}

function permissionDenied(file: string): string {
  const user = process.geteuid?.();
  const who = user === undefined ? 'the user that runs this' : `uid ${user}, which runs this`;
  return `permission denied. ${file} is of uid ${statSync(file).uid}: give it to ${who}, or run this as its owner.`;
}

/** The file, or the folder that it should be made in, that this process may not read, write or change the mode of. */
function deniedPart(path: string): string | undefined {
  const folder = nearestThere(dirname(path));
  const files = PARTS.map((part) => path + part).filter((file) => existsSync(file));
  return (
    [folder, ...files].find((each) => !isWritable(each)) ?? files.find((file) => !isOurs(file))
  );
}

function nearestThere(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : nearestThere(dirname(folder));
}

function isWritable(file: string): boolean {
  const { R_OK, W_OK, X_OK } = constants;
  try {
    accessSync(file, R_OK | W_OK | (statSync(file).isDirectory() ? X_OK : 0));
    return true;
  } catch {
    return false;
  }
}

function isOurs(file: string): boolean {
  const user = process.geteuid?.();
  return user === undefined || user === 0 || statSync(file).uid === user;
}
