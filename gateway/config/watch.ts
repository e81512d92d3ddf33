/**
 * The configuration of a running gateway: edits apply while it runs, a bad edit changes nothing and
 * says why. Readers ask `current()` each time they need a value.
 */

import { isDeepStrictEqual } from 'node:util';
import { type FailedConfig, type LoadedConfig, type LoadResult, loadConfig } from './load.ts';
import { joinPath } from './problem.ts';
import { type Config, configSchema } from './schema.ts';
import { stampAll } from './stamp.ts';
import type { Environment } from './substitute.ts';
import type { SchemaNode } from './vocabulary.ts';

export type ReloadOutcome =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'applied';
      readonly loaded: LoadedConfig;
      /** Keys that are otherwise than at the start and wait for a restart, e.g. `gateway.port`. */
      readonly afterRestart: readonly string[];
    }
  /** The configuration before stays in force. */
  | { readonly kind: 'refused'; readonly failed: FailedConfig };

export interface LiveConfig {
  current(): Config;
  /** Called after each applied edit, in the order of subscription; the result ends the subscription. */
  subscribe(listener: (config: Config) => void): () => void;
  /** Reads the files now, as SIGHUP asks. Also reported to `onReload`. */
  reload(): ReloadOutcome;
  /** Stops watching. */
  close(): void;
}

export interface WatchOptions {
  readonly initial: LoadedConfig;
  readonly env: Environment;
  /** Told of every reload, for the log. */
  readonly onReload: (outcome: ReloadOutcome) => void;
  /** Milliseconds between looks at the files. */
  readonly intervalMs?: number;
}

/**
 * Looks at the files of what was last read, good or bad, and reads them again when they have changed.
 * Looking, unlike the kernel's notifications, survives editors that replace a file, links that are
 * switched (Kubernetes) and network mounts, and hears nothing of a busy database in the same
 * directory. It costs one `stat` per file and interval, and keeps no process alive.
 */
export function watchConfig({
  initial,
  env,
  onReload,
  intervalMs = 500,
}: WatchOptions): LiveConfig {
  let { config, source } = initial;
  let lastLook = '';
  let closed = false;
  const listeners = new Set<(config: Config) => void>();

  const reload = (): ReloadOutcome => {
    const result = loadAgain(initial, env);
    const outcome = outcomeOf(initial.config, config, result);
    source = result.source;
    if (outcome.kind === 'applied') {
      config = outcome.loaded.config;
      for (const listener of listeners) listener(config);
    }
    onReload(outcome);
    return outcome;
  };

  const look = async (): Promise<void> => {
    const { files, stamp } = source.kind === 'file' ? source : { files: [], stamp: '' };
    const seen = await stampAll(files);
    if (closed) return;
    // Editors write in several steps: a change counts once two looks agree on it.
    if (seen !== stamp && seen === lastLook) reload();
    lastLook = seen;
    lookLater();
  };
  const lookLater = () => {
    setTimeout(() => void look(), intervalMs).unref();
  };
  lookLater();

  return {
    current: () => config,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    reload,
    close: () => {
      closed = true;
    },
  };
}

/** A file that was found at the start stays named: should it vanish, the demonstration must not take over. */
function loadAgain({ source }: LoadedConfig, env: Environment): LoadResult {
  return loadConfig(source.kind === 'file' ? { env, path: source.path } : { env });
}

/** `started`: what keys that wait for a restart have, however often the file has changed since. */
function outcomeOf(started: Config, before: Config, result: LoadResult): ReloadOutcome {
  if (!result.ok) return { kind: 'refused', failed: result };
  if (isDeepStrictEqual(before, result.config)) return { kind: 'unchanged' };
  const afterRestart = restartKeys(configSchema).filter(
    (path) => !isDeepStrictEqual(valueAt(started, path), valueAt(result.config, path)),
  );
  return {
    kind: 'applied',
    loaded: result,
    afterRestart: afterRestart.map((path) => path.reduce<string>(joinPath, '')),
  };
}

/** Paths of all keys that are marked `x-restart`. */
function restartKeys(
  schema: SchemaNode,
  path: readonly string[] = [],
): readonly (readonly string[])[] {
  if (schema['x-restart']) return [path];
  return Object.entries(schema.properties ?? {}).flatMap(([key, below]) =>
    restartKeys(below, [...path, key]),
  );
}

function valueAt(config: Config, path: readonly string[]): unknown {
  let value: unknown = config;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = new Map(Object.entries(value)).get(key);
  }
  return value;
}
