/** What the operator's commands share: the database of the configuration, and how they fail. */

import { existsSync } from 'node:fs';
import { type ConfigProblem, formatProblem, loadPortalConfig } from '../config.ts';
import type { TokenLives } from '../config-schema.ts';
import { DatabaseFileError, forPeople, openStore, type Store } from '../store/store.ts';
import type { Io } from './io.ts';

/** The command cannot be done; the message says why and what to do. Exit code 1. */
export class CommandError extends Error {}

export interface StoreFlags {
  readonly config?: string;
}

/** What a command sees beside the store. */
export interface Around {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Absent where the configuration's secrets are not set, which no command but `serve` needs. */
  readonly tokens?: TokenLives;
}

/**
 * Runs `work` on the store that `serve` uses, also while it does. Returns the exit code. Only what adds something may
 * `create` the database: for all else one that is not there is a wrong path.
 */
export async function withStore(
  io: Io,
  flags: StoreFlags,
  work: (store: Store, around: Around) => void | Promise<void>,
  { create = false } = {},
): Promise<number> {
  const loaded = loadPortalConfig({
    env: io.env,
    ...(flags.config !== undefined && { path: flags.config }),
  });
  const database = loaded.ok ? loaded.config.database : loaded.database;
  if (database === undefined) {
    const problems: readonly ConfigProblem[] = loaded.ok ? [] : loaded.problems;
    for (const problem of problems) io.stderr.write(`${loaded.path}: ${formatProblem(problem)}\n`);
    return 1;
  }
  let store: Store | undefined;
  try {
    if (!create && !existsSync(database)) {
      throw new CommandError(
        `there is no portal database at ${database}; correct "database" in ${loaded.path}, or add a user or an instance first`,
      );
    }
    store = openStore(database);
    await work(store, { now: Date.now(), ...(loaded.ok && { tokens: loaded.config.tokens }) });
    return 0;
  } catch (thrown) {
    const error = forPeople(thrown);
    if (!(error instanceof CommandError || error instanceof DatabaseFileError)) throw error;
    io.stderr.write(`oc-portal: ${error.message}\n`);
    return 1;
  } finally {
    store?.close();
  }
}

/** Rows with their columns lined up; nothing for no rows. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    }
  }
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** Text for people that must not bring line breaks or escape sequences to their terminals. */
export function textProblem(what: string, text: string, most: number): string | undefined {
  if (text.trim() === '') return `${what} is empty; write something`;
  if (text.length > most) return `${what} is too long; use at most ${most} characters`;
  // Also what turns the rest of a line around, so that a name reads as another's.
  return /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/u.test(text)
    ? `${what} has control characters in it; remove them`
    : undefined;
}
