/** `oc-portal serve`: load the configuration, serve until a signal. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { listenForStop } from '../../deploy/command-line/signals.ts';
import { formatProblem, loadPortalConfig } from '../config.ts';
import { createLog, type Logger } from '../log.ts';
import { type Portal, startPortal } from '../portal.ts';
import type { Io } from './io.ts';

export interface ServeFlags {
  readonly config?: string;
  readonly port?: string;
}

/** Resolves with the exit code once a signal has stopped the portal, or at once if it cannot start. */
export async function serve(io: Io, flags: ServeFlags): Promise<number> {
  const loaded = loadPortalConfig({
    env: io.env,
    ...(flags.config !== undefined && { path: flags.config }),
  });
  if (!loaded.ok) {
    for (const problem of loaded.problems) {
      io.stderr.write(`${loaded.path}: ${formatProblem(problem)}\n`);
    }
    io.stderr.write('oc-portal: the configuration has errors; nothing was started.\n');
    return 1;
  }
  const { config } = loaded;
  if (flags.port !== undefined && !isPort(flags.port)) {
    io.stderr.write(`oc-portal: --port: write a number from 0 to 65535\n`);
    return 2;
  }
  const signals = listenForStop();
  const log = createLog(config.logging.level);
  // It reloads the gateway and nginx; not to listen would be the end of the process.
  process.on('SIGHUP', () => {
    const message = 'Nothing is loaded again; restart the portal to apply portal.json.';
    log.warn({ event: 'reload_ignored', message });
  });
  const pageDir = config.pageDir ?? builtPage(io.folder);
  let portal: Portal;
  try {
    portal = await startPortal({
      config,
      host: config.listen.host,
      port: flags.port === undefined ? config.listen.port : Number(flags.port),
      pageDir,
      log,
    });
  } catch (error) {
    io.stderr.write(`oc-portal: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  warn(log, pageDir, config.gateways.length);
  // Whatever the level: scripts read the port from this line.
  log.child({}, { level: 'info' }).info({
    event: 'listening',
    host: portal.host,
    port: portal.port,
    config: loaded.path,
  });
  log.info({ event: 'stopping', signal: await signals.stop });
  const stopped = await Promise.race([
    portal.stop().then(() => true),
    signals.insist.then(() => false),
  ]);
  log.info({ event: 'stopped', ...(!stopped && { early: true }) });
  if (!stopped) process.exit(1);
  return 0;
}

/** Beside the sources the page is built in its own folder; in the package it lies beside the program. */
function builtPage(folder: string): string {
  return import.meta.url.endsWith('.ts') ? join(folder, 'page', 'dist') : join(folder, 'page');
}

function warn(log: Logger, pageDir: string, gateways: number): void {
  if (!existsSync(join(pageDir, 'index.html'))) {
    log.warn({
      event: 'page_missing',
      message:
        'The chat page is not built, so /portal/chat/ is empty; build it, or name its folder in pageDir.',
    });
  }
  if (gateways === 0) {
    log.warn({
      event: 'no_gateways',
      message:
        'Without gateways in the configuration, taking a right away leaves open sockets open.',
    });
  }
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535;
}
