/** `oc-gateway config check` and `oc-gateway config schema`. */

import { editorSchema } from '../config/editor-schema.ts';
import { type ConfigSource, loadConfig } from '../config/load.ts';
import { formatIgnored, formatProblem } from '../config/problem.ts';
import { listenPort } from '../config/settings.ts';
import type { Io } from './io.ts';

/**
 * Prints every problem of the configuration that `serve` would load, one a line, and a verdict as the
 * last line. Exit code 1 if `serve` would refuse to start, else 0: warnings do not count.
 */
export function configCheck(io: Io, { configPath }: { configPath?: string }): number {
  const loaded = loadConfig({ env: io.env, ...(configPath !== undefined && { path: configPath }) });
  const errors = loaded.ok ? [] : [...loaded.errors];
  if (loaded.ok) {
    const port = listenPort(loaded.config, io.env);
    if (!port.ok) errors.push(port.problem);
  }
  const { warnings, ignored, source } = loaded;
  const lines = [
    ...[...errors, ...warnings].map(formatProblem),
    ...ignored.map(formatIgnored),
    `${nameOf(source)}: ${verdict(errors.length, warnings.length)}`,
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
  return errors.length > 0 ? 1 : 0;
}

/** Prints the JSON Schema (draft 7) of openclaw.json, for editors. */
export function configSchema(io: Io): number {
  io.stdout.write(`${JSON.stringify(editorSchema(), null, 2)}\n`);
  return 0;
}

function nameOf(source: ConfigSource): string {
  return source.kind === 'file' ? source.path : `built-in demonstration (${source.reason})`;
}

function verdict(errors: number, warnings: number): string {
  const counts = [count(errors, 'error'), count(warnings, 'warning')].filter((text) => text !== '');
  return [...(errors === 0 ? ['ok'] : []), ...counts].join(', ');
}

function count(amount: number, noun: string): string {
  if (amount === 0) return '';
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}
