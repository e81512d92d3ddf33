/**
 * One `npm start` a folder: a second one would rewrite the settings that the first one's gateway follows.
 */

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../files/folder.ts';

export interface FolderLock {
  /** Notes what was started, so that the next start can name what a killed one left behind. */
  note(parts: Readonly<Record<string, number>>): void;
  release(): void;
}

interface Note {
  readonly pid: number;
  readonly parts: Readonly<Record<string, number>>;
}

/** @throws Error with what to do, if another start or what it left behind still runs. */
export function lockFolder(folder: string): FolderLock {
  makeFolder(folder, 0o700);
  const file = join(folder, 'running.json');
  const write = (parts: Note['parts'], flag: string) =>
    writeFileSync(file, JSON.stringify({ pid: process.pid, parts }), { mode: 0o600, flag });
  refuseRunning(file, readNote(file));
  rmSync(file, { force: true });
  // Of two that come this far together, one fails here.
  write({}, 'wx');
  return {
    note: (parts) => write(parts, 'w'),
    release: () => rmSync(file, { force: true }),
  };
}

function refuseRunning(file: string, note: Note | undefined): void {
  if (!note) return;
  const mistaken = `If that is something else by now, remove ${file}`;
  if (note.pid !== process.pid && isAlive(note.pid)) {
    throw new Error(
      `npm start runs already (process ${note.pid}). Stop it, or set another OPENCLAW_STATE_DIR.\n${mistaken}`,
    );
  }
  const left = Object.entries(note.parts).filter(([, pid]) => isAlive(pid));
  if (left.length === 0) return;
  const names = left.map(([name, pid]) => `${name} (process ${pid})`).join(', ');
  throw new Error(
    `An npm start that was killed has left running: ${names}.\n` +
      `End them: kill ${left.map(([, pid]) => pid).join(' ')}\n${mistaken}`,
  );
}

/** Nothing, if there is none or it was cut off. */
function readNote(file: string): Note | undefined {
  try {
    const { pid, parts }: Partial<Note> = JSON.parse(readFileSync(file, 'utf8'));
    return typeof pid === 'number' ? { pid, parts: parts ?? {} } : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    // Signal 0 asks only.
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
