/** What `serve` says in the log about its configuration, whoever of its processes serves. */

import type { LoadedConfig } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { agentIds, modelChain } from '../config/settings.ts';
import type { ReloadOutcome } from '../config/watch.ts';
import type { Logger } from '../log.ts';

/** Who listens where; `why` is the reason for the host. */
export interface Listening {
  host: string;
  port?: number;
  workers?: readonly { worker: number; port: number }[];
  admin?: { readonly host: string; readonly port: number } | undefined;
  why: string;
}

export function announce(loaded: LoadedConfig, listening: Listening, log: Logger): void {
  for (const problem of loaded.warnings) {
    log.warn({ event: 'config_warning', message: formatProblem(problem) });
  }
  if (loaded.ignored.length > 0) {
    log.info({ event: 'config_ignored', keys: loaded.ignored.map((each) => each.path) });
  }
  const silent = agentIds(loaded.config).filter((id) => modelChain(loaded.config, id).length === 0);
  const { host, port, workers, admin, why } = listening;
  // Whatever the level: scripts read the port from this line.
  log.child({}, { level: 'info' }).info({
    event: 'listening',
    host,
    ...(port !== undefined && { port }),
    ...(workers && { workers }),
    ...(admin && { admin: { host: admin.host, port: admin.port } }),
    why,
    config: loaded.source.kind === 'file' ? loaded.source.path : 'built-in demonstration',
    ...(silent.length > 0 && { agentsWithoutModel: silent }),
  });
}

export function reportReload(outcome: ReloadOutcome, log: Logger): void {
  switch (outcome.kind) {
    case 'unchanged':
      return log.info({ event: 'config_unchanged' });
    case 'applied':
      for (const problem of outcome.loaded.warnings) {
        log.warn({ event: 'config_warning', message: formatProblem(problem) });
      }
      return log.info({ event: 'config_applied', afterRestart: outcome.afterRestart });
    case 'refused':
      return log.error({
        event: 'config_refused',
        message: 'The configuration before this edit stays in force.',
        problems: outcome.failed.errors.map(formatProblem),
      });
  }
}
