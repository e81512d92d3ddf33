/** What a file looks like from outside: differs as soon as it is written, replaced, removed or created. */

import { type BigIntStats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';

/** The stamp of a file that is not there or cannot be looked at. */
const ABSENT = 'absent';

/** The stamp of one file now; links are followed. Never throws. */
export function stampSync(file: string): string {
  try {
    return toStamp(statSync(file, { bigint: true }));
  } catch {
    return ABSENT;
  }
}

/** The stamps of several files now, as one. Never rejects. */
export async function stampAll(files: readonly string[]): Promise<string> {
  const stamps = files.map((file) => stat(file, { bigint: true }).then(toStamp, () => ABSENT));
  return joinStamps(await Promise.all(stamps));
}

export function joinStamps(stamps: Iterable<string>): string {
  return [...stamps].join(' ');
}

function toStamp({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}
