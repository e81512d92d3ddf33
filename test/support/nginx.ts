/** A real nginx from the rendered files: in a folder of its own, on a free port, without root's paths. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderNginx } from '../../deploy/nginx/render.ts';
import { findNginx } from '../../deploy/nginx/scratch.ts';
import type { NginxValues } from '../../deploy/nginx/values.ts';
import { writeFiles } from '../../deploy/nginx/write-files.ts';
import { freePorts } from './ports.ts';

export interface TestNginx {
  readonly port: number;
  readonly folder: string;
  /** Replaces the map and reloads. New connections may meet the old one for a moment yet. */
  reload(map: string): Promise<void>;
  /** Everything that it has written so far. */
  logs(): Promise<string>;
  /** Everything that it has written, up to its end. */
  stop(): Promise<string>;
}

function nginxBinary(): string {
  const found = findNginx(process.env);
  if (found === undefined) {
    throw new Error('these tests drive a real nginx; install it: apt-get install nginx-light');
  }
  return found;
}

/** `listen` of the values is replaced by the free port. */
export async function startNginx(
  values: Omit<NginxValues, 'listen'>,
  map: string,
): Promise<TestNginx> {
  const folder = await mkdtemp(join(tmpdir(), 'oc-nginx-'));
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePorts(1);
    const files = renderNginx({ ...values, listen: [`127.0.0.1:${port}`] });
    await writeFiles(folder, [...files, { path: values.mapFile, text: map, secret: false }]);
    const child = spawn(
      nginxBinary(),
      ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr', '-g', 'daemon off;'],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const nginx = observe(child, folder, port);
    if (await listening(folder, nginx.exited)) return nginx;
    const said = await nginx.logs();
    await nginx.end();
    // Somebody else may have taken the port in between.
    if (attempt < 3 && said.includes('Address already in use')) continue;
    await rm(folder, { recursive: true, force: true });
    throw new Error(`nginx did not start:\n${said}`);
  }
}

function observe(child: ChildProcess, folder: string, port: number) {
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said += String(chunk);
  });
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
  });
  const end = async () => {
    child.kill('SIGTERM');
    await exited;
  };
  const logs = async () => {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.log'));
    const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
    return [said, ...texts].join('\n');
  };
  return {
    port,
    folder,
    exited,
    end,
    async reload(map: string) {
      await writeFile(join(folder, 'oc-ws-map.conf'), map);
      child.kill('SIGHUP');
    },
    logs,
    async stop() {
      await end();
      const written = await logs();
      await rm(folder, { recursive: true, force: true });
      return written;
    },
  };
}

/** nginx writes its pid once it has bound its ports. False: it ended instead. */
async function listening(folder: string, exited: Promise<void>): Promise<boolean> {
  const over = exited.then(() => true);
  const aMoment = () => new Promise<false>((resolve) => setTimeout(resolve, 5, false));
  while (!existsSync(join(folder, 'nginx.pid'))) {
    if (await Promise.race([over, aMoment()])) return false;
  }
  return true;
}
