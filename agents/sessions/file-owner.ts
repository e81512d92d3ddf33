/**
 * Whose the files of a store are. An operator's command often runs as root, and the gateway as a user of its own,
 * who must be able to open whatever the command leaves behind.
 */

import { chownSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Of the file; where there is none, of its folder. @throws if there is neither. */
export function ownerOf(path: string): Owner {
  return statSync(path, { throwIfNoEntry: false }) ?? statSync(dirname(path));
}

/** @throws if this process may not give it away. */
export function giveTo({ uid, gid }: Owner, path: string): void {
  const now = statSync(path);
  if (now.uid !== uid || now.gid !== gid) chownSync(path, uid, gid);
}
