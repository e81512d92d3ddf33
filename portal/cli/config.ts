/** `oc-portal config check`: what is wrong with portal.json, before a restart applies it. */

import { formatProblem, loadPortalConfig } from '../config.ts';
import type { Io } from './io.ts';
import type { StoreFlags } from './with-store.ts';

/** Prints every problem, secrets that the environment lacks included. Exit code 1 if there is any. */
export async function checkConfig(io: Io, flags: StoreFlags): Promise<number> {
  const loaded = loadPortalConfig({
    env: io.env,
    ...(flags.config !== undefined && { path: flags.config }),
  });
  if (loaded.ok) {
    io.stdout.write(`${loaded.path}: ok\n`);
    return 0;
  }
  for (const problem of loaded.problems)
    io.stderr.write(`${loaded.path}: ${formatProblem(problem)}\n`);
  return 1;
}
