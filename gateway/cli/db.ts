/** `oc-gateway db check|backup|restore|vacuum`: the file of the store, as operators look after it. */

import { resolve } from 'node:path';
import {
  backupStore,
  checkStore,
  restoreStore,
  type StoreReport,
  vacuumStore,
} from '../../agents/sessions/maintenance.ts';
import { StoreFileError } from '../../agents/sessions/store.ts';
import { type LoadResult, loadConfig } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { storagePath } from '../config/settings.ts';
import type { Io } from './io.ts';

export interface StoreFlags {
  config?: string;
}

/** Every command resolves with its exit code: 0 done, 1 it failed. */
export async function dbCheck(io: Io, flags: StoreFlags): Promise<number> {
  return onStore(io, flags, (path) => told(io, checkStore(path)));
}

export async function dbBackup(io: Io, flags: StoreFlags, to: string): Promise<number> {
  return onStore(io, flags, async (path) => told(io, await backupStore(path, resolve(to))));
}

export async function dbRestore(io: Io, flags: StoreFlags, from: string): Promise<number> {
  return onStore(io, flags, (path) => {
    const replaced = restoreStore(resolve(from), path, new Date());
    io.stdout.write(`restored ${path}\n`);
    if (replaced !== undefined) io.stdout.write(`what was there before: ${replaced}\n`);
    return 0;
  });
}

export async function dbVacuum(io: Io, flags: StoreFlags): Promise<number> {
  return onStore(io, flags, (path) => {
    const { before, after } = vacuumStore(path);
    io.stdout.write(`${mebibytes(before)} before, ${mebibytes(after)} now\n`);
    return 0;
  });
}

/**
 * Finds the store that the configuration names; says in one line what is wrong with it. Nothing else of the
 * configuration is looked at: whoever sees to the store may not know the secrets of the rest.
 */
export async function onStore(
  io: Io,
  flags: StoreFlags,
  work: (path: string) => number | Promise<number>,
): Promise<number> {
  const loaded = loadSection(io, flags, 'storage');
  if (!loaded.ok) {
    for (const problem of loaded.errors) io.stderr.write(`${formatProblem(problem)}\n`);
    return 1;
  }
  const path = storagePath(loaded.config, io.env);
  try {
    return await work(path);
  } catch (error) {
    if (!(error instanceof StoreFileError)) throw error;
    io.stderr.write(`oc-gateway: ${error.message}\n`);
    return 1;
  }
}

/** A section of `gateway`; the rest has its defaults. */
export function loadSection(
  io: Io,
  flags: StoreFlags,
  section: keyof Config['gateway'],
): LoadResult {
  const path = flags.config;
  const sections = [['gateway', section]];
  return loadConfig({ env: io.env, sections, ...(path !== undefined && { path }) });
}

function told(io: Io, report: StoreReport): number {
  const { problems, users, sessions, messages, bytes } = report;
  for (const problem of problems) io.stderr.write(`${problem}\n`);
  if (problems.length > 0) {
    const cure = 'Stop the gateway and put a backup in its place: oc-gateway db restore FILE';
    io.stderr.write(`The store is damaged. ${cure}\n`);
  }
  const counts = `${users} users, ${sessions} sessions, ${messages} messages, ${mebibytes(bytes)}`;
  io.stdout.write(`${problems.length === 0 ? 'ok' : 'damaged'}: ${counts}\n`);
  return problems.length === 0 ? 0 : 1;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
