/** nginx from the rendered files, as an unprivileged process with everything below one folder. */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { renderNginx } from '../nginx/render.ts';
import type { NginxValues } from '../nginx/values.ts';
import { type ChainProcess, startProcess } from './process.ts';

/** Not in everybody's PATH. */
const PLACES = [
  '/usr/sbin/nginx',
  '/usr/local/sbin/nginx',
  '/usr/bin/nginx',
  '/usr/local/bin/nginx',
];

const LOOK_EVERY_MS = 5;

export function findNginx(): string | undefined {
  return PLACES.find((path) => existsSync(path));
}

/** @throws Error with what nginx said, if it does not come up. */
export async function startNginx(
  binary: string,
  folder: string,
  values: NginxValues,
  map: string,
): Promise<ChainProcess> {
  for (const file of renderNginx(values)) {
    const path = join(folder, file.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, file.text, { mode: file.secret ? 0o600 : 0o644 });
  }
  writeFileSync(join(folder, values.mapFile), map);
  const nginx = startProcess({
    name: 'nginx',
    command: binary,
    args: ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr', '-g', 'daemon off;'],
    logFile: join(folder, 'nginx.log'),
  });
  let over = false;
  void nginx.exited.then(() => {
    over = true;
  });
  // It writes its pid once it has bound its ports.
  while (!existsSync(join(folder, 'nginx.pid'))) {
    if (over) await nginx.output();
    await pause(LOOK_EVERY_MS);
  }
  return nginx;
}
