/** nginx from the rendered files, as an unprivileged process with everything below one folder. */

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { renderNginx } from '../nginx/render.ts';
import type { NginxValues } from '../nginx/values.ts';
import { writeFiles } from '../nginx/write-files.ts';
import { type ChainProcess, startProcess } from './process.ts';

const LOOK_EVERY_MS = 5;

/** @throws Error with what nginx said, if it does not come up. */
export async function startNginx(
  binary: string,
  folder: string,
  values: NginxValues,
  map: string,
): Promise<ChainProcess> {
  const files = [...renderNginx(values), { path: values.mapFile, text: map, secret: false }];
  await writeFiles(folder, files);
  // One that was killed has left its own behind.
  rmSync(join(folder, 'nginx.pid'), { force: true });
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
