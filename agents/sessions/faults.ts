/** What SQLite's codes, and the system's, say to an operator: https://www.sqlite.org/rescode.html */

/** Ends a sentence about the store; nothing for a code that says nothing to anybody. */
export function faultOf(code: string): string | undefined {
  if (code.startsWith('SQLITE_FULL') || code === 'ENOSPC') return 'its disk is full';
  if (code.startsWith('SQLITE_BUSY')) return 'another program holds its lock';
  if (code.startsWith('SQLITE_READONLY')) return 'it is read-only';
  if (code.startsWith('SQLITE_IOERR') || code === 'EIO') return 'its disk fails';
  if (code.startsWith('SQLITE_CORRUPT')) return 'it is damaged';
  return undefined;
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
